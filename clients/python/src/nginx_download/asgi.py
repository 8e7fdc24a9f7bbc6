"""Grants from ASGI apps. In Starlette, for one, an endpoint may return one::

    async def report(request):
        report = await owned_report(request)                # raises HTTPException(403)
        grant = Grant({"storage": "reports", "path": report.path}, basename=report.title + ".pdf")
        return grant_response(grant)

FastAPI wants a Response of its own: ``Response(grant.to_json(), media_type=MEDIA_TYPE)``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

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
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in own]

    async def answer(scope: _Scope, receive: _Receive, send: _Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        is_head = scope["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_head else body})

    return answer
