"""Flask with USE_X_SENDFILE: send_file and send_from_directory.

MEDIA_ROOT comes by the environment; who has the cookie user=alice may have the files.
"""
import os

from flask import Flask, abort, jsonify, request, send_file, send_from_directory

MEDIA_ROOT = os.environ["MEDIA_ROOT"]

app = Flask(__name__)
app.config["USE_X_SENDFILE"] = True


@app.before_request
def only_alice():
    if request.cookies.get("user") != "alice":
        abort(app.response_class("not for you", 403, content_type="text/plain"))


@app.after_request
def add_headers(response):
    response.headers["X-Of-The-App"] = "kept"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.set_cookie("seen", "1")
    return response


@app.get("/files/<path:name>")
def files(name):
    return utf8(send_from_directory(MEDIA_ROOT, name, max_age=60))


@app.get("/saved/<path:name>")
def saved(name):
    path = os.path.join(MEDIA_ROOT, name)
    return utf8(send_file(path, as_attachment=True)) if os.path.exists(path) else abort(404)


@app.get("/named/<path:name>")
def named(name):
    return send_from_directory(MEDIA_ROOT, name, as_attachment=True, download_name='Größe "7".txt')


@app.get("/plain/<path:name>")
def plain(name):
    return send_from_directory(MEDIA_ROOT, name)


@app.get("/elsewhere")
def elsewhere():
    return send_file("/etc/passwd")


@app.get("/headers")
def headers():
    return jsonify(dict(request.headers))


def utf8(response):
    """A header's text is Latin-1 by WSGI: so that it comes out as the bytes of the file's name."""
    if "X-Sendfile" in response.headers:
        response.headers["X-Sendfile"] = os.fsencode(response.headers["X-Sendfile"]).decode("latin-1")
    return response
