"""Around what docs/frameworks/fastapi.md shows: a login of one line.

PAGE is the folder of the page's files.
"""
import os
import sys

sys.path.insert(0, os.environ["PAGE"])

from app import app  # noqa: E402
from fastapi import Request  # noqa: E402


@app.get("/login")
def login(request: Request, user: str):
    request.session["user"] = user
    return "in"


@app.get("/logout")
def logout(request: Request):
    request.session.clear()
    return "out"
