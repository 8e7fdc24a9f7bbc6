"""Grants from ASGI apps. In Starlette, for one, an endpoint may return one::

    async def report(request):
        report = await owned_report(request)                # raises HTTPException(403)
        grant = Grant({"storage": "reports", "path": report.path}, basename=report.title + ".pdf")
        return grant_response(grant)

    async def table(request):
        report = await owned_report(request)
        return grant(content=lines(report), basename="report.csv")

FastAPI wants a Response of its own: ``Response(grant.to_json(), media_type=MEDIA_TYPE)``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from nginx_download import descriptors
from nginx_download.answers import Offer
from nginx_download.descriptors import MAX_MEMORY, HasFileno
from nginx_download.grants import MAX_SIZE, MEDIA_TYPE, Grant

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def grant_response(
    grant: Grant, *, headers: Iterable[tuple[str, str]] = (), max_size: int = MAX_SIZE
) -> Callable[[_Scope, _Receive, _Send], Awaitable[None]]:
    """An ASGI app that answers with this grant.

    ``headers`` are fields of the answer itself, Set-Cookie above all; those of the file are in the
    grant.
    """
    body = grant.to_json(max_size=max_size)
    own = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *headers]

    async def answer(scope: _Scope, receive: _Receive, send: _Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _raw(own)})
        is_head = scope["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_head else body})

    return answer


def grant(
    *,
    fd: int | HasFileno | None = None,
    content: bytes | str | Iterable[bytes | str] | None = None,
    answer_headers: Iterable[tuple[str, str]] = (),
    max_size: int = MAX_SIZE,
    max_memory: int = MAX_MEMORY,
    **said: Any,
) -> Callable[[_Scope, _Receive, _Send], Awaitable[None]]:
    """An ASGI app that answers with a file that has no path: as `nginx_download.wsgi.grant`.

    nginx gets the open file where `nginx_download.uvicorn` hands out the connection. ``content`` is read
    and written in the event loop; what takes long to make is better made in a thread:
    ``fd=await to_thread(unnamed, lines())``.
    """
    offer = Offer(fd, content, said, max_size=max_size, max_memory=max_memory)
    own = [*answer_headers]

    async def answer(scope: _Scope, receive: _Receive, send: _Send) -> None:
        is_head = scope["method"] == "HEAD"
        headers, body = offer.answer(descriptors.of_scope(scope), is_head=is_head)
        raw = _raw([*headers, *own])
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        for chunk in body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
