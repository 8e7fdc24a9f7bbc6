"""Flask that passes open files to nginx. Who has the cookie user=alice may have them."""
import os

from flask import Flask, abort, request

from nginx_download.wsgi import PassDescriptors, grant

app = Flask(__name__)
app.wsgi_app = PassDescriptors(app.wsgi_app, token="a token of your own")


@app.before_request
def only_alice():
    if request.cookies.get("user") != "alice":
        abort(app.response_class("not for you", 403, content_type="text/plain"))


@app.get("/files/made/<int:number>")
def made(number):
    return grant(
        content=(f"line {line}\n" for line in range(number)),
        basename="made.txt",
        etag='"v1"',
        headers={"X-Of-The-App": "kept"},
        answer_headers=[("Set-Cookie", "seen=1")],
    )


@app.get("/files/private/<name>")
def private(name):
    with open(os.path.join(os.environ["MEDIA_ROOT"], "../private", name), "rb") as file:
        return grant(fd=file, basename=name)


@app.get("/page")
def page():
    return "a page"
