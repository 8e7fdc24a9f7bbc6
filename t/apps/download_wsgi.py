"""A WSGI app that grants. The file is the last part of the URI; who asks for "denied" is denied."""

import json


def application(environ, start_response):
    name = environ["REQUEST_URI"].split("?")[0].rsplit("/", 1)[-1]
    if name == "denied":
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"no"]
    grant = {"file": {"storage": "files", "path": name}, "basename": "by-uwsgi.txt"}
    start_response(
        "200 OK",
        [("Content-Type", "application/vnd.nginx-download.grant+json"), ("Set-Cookie", "app=uwsgi")],
    )
    return [json.dumps(grant).encode()]
