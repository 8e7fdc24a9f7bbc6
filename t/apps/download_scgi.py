#!/usr/bin/env python3
"""An SCGI app that grants: download_scgi.py SOCKET. The file is the last part of the URI."""

import json
import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        length = b""
        while not length.endswith(b":"):
            length += self.rfile.read(1)
        fields = self.rfile.read(int(length[:-1]) + 1).rstrip(b",").split(b"\0")
        environ = dict(zip(fields[::2], fields[1::2]))
        name = environ[b"REQUEST_URI"].split(b"?")[0].rsplit(b"/", 1)[-1].decode()
        if name == "denied":
            self.wfile.write(b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nno")
            return
        grant = {"file": {"storage": "files", "path": name}, "basename": "by-scgi.txt"}
        head = "Content-Type: application/vnd.nginx-download.grant+json\r\nSet-Cookie: app=scgi\r\n\r\n"
        self.wfile.write((head + json.dumps(grant)).encode())


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


Server(sys.argv[1], Handler).serve_forever()
