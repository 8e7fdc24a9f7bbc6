"""Grants from WSGI apps. In Flask, for one, a view may return one::

@app.get("/reports/<int:number>")
def report(number):
    report = owned_report(number)                       # aborts by 401, 403 or 404
    grant = Grant({"storage": "reports", "path": report.path}, basename=report.title + ".pdf")
    return grant_response(grant)

@app.get("/reports/<int:number>.csv")
def table(number):
    return grant(content=lines(owned_report(number)), basename="report.csv")

app.wsgi_app = PassDescriptors(app.wsgi_app)            # if nginx has download_descriptors
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nginx_download import descriptors
from nginx_download.answers import Offer
from nginx_download.descriptors import KEY, MAX_MEMORY, HasFileno
from nginx_download.grants import MAX_SIZE, MEDIA_TYPE, Grant

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


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


def grant(
    *,
    fd: int | HasFileno | None = None,
    content: bytes | str | Iterable[bytes | str] | None = None,
    answer_headers: Iterable[tuple[str, str]] = (),
    max_size: int = MAX_SIZE,
    max_memory: int = MAX_MEMORY,
    **said: Any,
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """A WSGI app that answers with a file that has no path, or none that nginx may open.

    ``fd`` is an open file or its descriptor, which the caller can close at once; ``content`` is
    bytes, text, or an iterable of either, which is read when the app answers. ``said`` is what
    `Grant` takes: ``basename``, ``etag`` ...

    Where `PassDescriptors` allows it, nginx gets the open file. Elsewhere the content is in the
    grant, if that has ``max_size`` bytes or less, or the app sends it itself. So it does with HEAD.
    """
    offer = Offer(fd, content, said, max_size=max_size, max_memory=max_memory)
    own = [*answer_headers]

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        headers, body = offer.answer(environ.get(KEY), is_head=is_head)
        start_response("200 OK", [*headers, *own])
        return body

    return answer


class PassDescriptors:
    """A WSGI app around another, which may pass open files to nginx from then on.

    Only for an app that nothing asks but an nginx with ``download_descriptors``. Or let that nginx
    tell: ``proxy_set_header X-Download-Token "a token of your own"``, in no other location, and give
    the same ``token`` here.
    """

    def __init__(self, app: WSGIApplication, *, token: str | None = None) -> None:
        self.app = app
        self.token = token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if descriptors.knows(environ.get("HTTP_X_DOWNLOAD_TOKEN"), self.token):
            descriptors.of_environ(environ)
        return self.app(environ, start_response)
