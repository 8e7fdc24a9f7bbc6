"""For uvicorn, which does not hand the connection to the app: a protocol that does. It is chosen by

    uvicorn --uds /run/app.sock --http nginx_download.uvicorn:Protocol app:app

and only for an nginx with ``download_descriptors``, which nothing else asks the app around.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from nginx_download.descriptors import KEY, of_transport


class Protocol(AutoHTTPProtocol):  # type: ignore[misc]
    """HTTP/1.1 as uvicorn has it, by httptools or h11; apps may pass open files to nginx."""

    app: Any

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Puts an app around the app, which knows the connection."""
        super().connection_made(transport)
        app = self.app

        async def passing(scope: Any, receive: Any, send: Any) -> None:
            # each request its own, since each response may have a descriptor
            connection = of_transport(transport) if scope["type"] == "http" else None
            if connection is not None:
                scope.setdefault("extensions", {})[KEY] = {"connection": connection}
            await app(scope, receive, send)

        self.app = passing
