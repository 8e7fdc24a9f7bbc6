"""A server that answers as it is told, for the modules that are clients."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer


class Server(ThreadingHTTPServer):
    def server_bind(self):
        # without looking its own name up
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


@contextlib.contextmanager
def server(answer):
    """Its URL. ``answer(method, path, headers, body)`` gives (status, headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length", 0))
            status, headers, body = answer(
                self.command, self.path, self.headers, self.rfile.read(length)
            )
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    listening = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
