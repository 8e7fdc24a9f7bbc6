"""The app behind nginx-conf/uwsgi.conf."""
import json


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    asked_for = environ["REQUEST_URI"].partition("?")
    if path != "/documents/7" or asked_for[::2] != (path, environ["QUERY_STRING"]):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{method} {path}\n".encode()]
    if environ.get("HTTP_COOKIE") != "user=alice":
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"not for you\n"]
    if method != "GET":
        start_response("500 Asked With Another Method", [])
        return [method.encode()]
    start_response("200 OK", [("Content-Type", "application/vnd.nginx-download.grant+json")])
    return [json.dumps({"file": {"storage": "media", "path": "2026/q3.pdf"}}).encode()]
