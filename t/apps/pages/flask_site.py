"""Around what docs/frameworks/flask.md shows: a login of one line.

PAGE is the folder of the page's files.
"""
import os
import sys

sys.path.insert(0, os.environ["PAGE"])

from app import app  # noqa: E402
from flask import request, session  # noqa: E402


@app.get("/login")
def login():
    session["user"] = request.args["user"]
    return "in\n"


@app.get("/logout")
def logout():
    session.clear()
    return "out\n"
