"""Flask with nginx_download.wsgi. Who has the cookie user=alice may have the files."""
from flask import Flask, abort, request

from nginx_download import Grant
from nginx_download.wsgi import grant_response

app = Flask(__name__)


@app.get("/files/<path:name>")
def files(name):
    if request.cookies.get("user") != "alice":
        abort(app.response_class("not for you", 403, content_type="text/plain"))
    grant = Grant({"storage": "media", "path": name}, headers={"X-Of-The-App": "kept"})
    return grant_response(grant, headers=[("Set-Cookie", "seen=1")])
