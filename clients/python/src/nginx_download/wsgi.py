"""Grants from WSGI apps. In Flask, for one, a view may return one::

@app.get("/reports/<int:number>")
def report(number):
    report = owned_report(number)                       # aborts by 401, 403 or 404
    grant = Grant({"storage": "reports", "path": report.path}, basename=report.title + ".pdf")
    return grant_response(grant)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nginx_download.grants import MAX_SIZE, MEDIA_TYPE, Grant

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def grant_response(
    grant: Grant, *, headers: Iterable[tuple[str, str]] = (), max_size: int = MAX_SIZE
) -> Callable[[WSGIEnvironment, StartResponse], list[bytes]]:
    """A WSGI app that answers with this grant.

    ``headers`` are fields of the answer itself, Set-Cookie above all; those of the file are in the
    grant.
    """
    body = grant.to_json(max_size=max_size)
    own = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *headers]

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", own)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer
