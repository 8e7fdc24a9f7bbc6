#!/usr/bin/env python3
"""The app of scripts/demo: it decides who may have which report, nginx sends the file.

    demo-app.py SOCKET
"""
import html
import json
import os
import socket
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
from urllib.parse import parse_qs, urlsplit

# URL: who may have it, and the grant: what nginx sends, and under which name
REPORTS = {
    "/reports/q3": ({"alice"}, {"file": {"storage": "reports", "path": "2026/q3.pdf"},
                                "basename": "Résumé Q3.pdf"}),
    "/reports/news": ({"alice", "bob"}, {"file": {"storage": "reports", "path": "news.txt"},
                                         "attachment": False}),
    # made when somebody asks for it: the file is passed to nginx open
    "/reports/squares": ({"alice"}, {"file": {"descriptor": 0}, "basename": "squares.csv"}),
}

PAGE = """<!doctype html><meta charset="utf-8"><title>Reports</title>
<p>You are {user}: be <a href="/login?user=alice">alice</a>, <a href="/login?user=bob">bob</a>.
<ul><li><a href="/reports/q3">Q3</a>, for alice only
<li><a href="/reports/squares">Squares</a>, made for alice, in memory
<li><a href="/reports/news">News</a>, for both
<li><a href="/reports/q4">Q4</a>, which nobody has written</ul>"""


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        # An app of yours asks its sessions, not the client.
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("user")
        user = html.escape(cookie.value) if cookie else "nobody"

        if url.path in REPORTS:
            readers, grant = REPORTS[url.path]
            if user not in readers:
                return self.answer(403, "text/html", f"<h1>Not for {user}</h1>\n")
            if "descriptor" in grant["file"]:
                self.pass_file("number,square\n" + "".join(f"{n},{n * n}\n" for n in range(100_000)))
            return self.answer(200, "application/vnd.nginx-download.grant+json", json.dumps(grant))
        if url.path == "/login":
            name = "bob" if "bob" in parse_qs(url.query).get("user", []) else "alice"
            return self.answer(303, "text/html", "", Location="/", Set_Cookie=f"user={name}; Path=/")
        if url.path == "/":
            return self.answer(200, "text/html", PAGE.format(user=user))
        self.answer(404, "text/html", "<h1>No such page</h1>\n")

    def pass_file(self, text):
        """Before the response, and only since nobody but nginx talks to this app: docs/descriptors.md."""
        with open(os.memfd_create("report"), "w") as file:
            file.write(text)
            file.flush()
            socket.send_fds(self.connection, [b"\0"], [file.fileno()])

    def answer(self, status, mimetype, body, **headers):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", mimetype)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass  # nginx has the access log


if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
ThreadingUnixStreamServer(sys.argv[1], App).serve_forever()
