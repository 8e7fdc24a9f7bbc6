"""Taking back what nginx remembers of the app's decisions: see ``download_revoke``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener


class RevokeError(OSError):
    """nginx did not revoke: it cannot be reached, or did not understand."""


def revoke(
    url: str,
    *,
    tags: Iterable[str] = (),
    key: Iterable[str] = (),
    cut: bool = False,
    timeout: float = 5,
) -> int:
    """Makes nginx forget the decisions with any of these tags, and those for this key.

    ``url`` is that of a location with ``download_revoke``, such as ``http://127.0.0.1/revoke``;
    ``key`` has the parts of ``download_cache_key``, in their order. With ``cut``, transfers that
    began by one of these decisions are cut off. Returns how many decisions were forgotten.

    >>> revoke("http://127.0.0.1/revoke", tags=["user:7"])              # doctest: +SKIP
    2

    Raises `RevokeError` if nginx does not say that it did; then what was remembered still counts.
    """
    if isinstance(tags, str) or isinstance(key, str):
        raise TypeError("tags and key are lists of strings")
    arguments = [("tag", tag) for tag in tags] + [("key", part) for part in key]
    if not arguments:
        raise ValueError("nothing to revoke: give tags, or a key")
    if cut:
        arguments.append(("cut", "1"))
    request = Request(url, urlencode(arguments).encode("ascii"), method="POST")
    # nginx is a neighbour: what http_proxy says is not meant for it
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            body = response.read(65536)
    except HTTPError as error:
        with error:
            raise RevokeError(f"{url} answered {error.code}{_said(error.read(65536))}") from error
    except OSError as error:
        raise RevokeError(f"{url}: {error}") from error
    try:
        return int(json.loads(body)["revoked"])
    except (ValueError, TypeError, KeyError) as error:
        raise RevokeError(f"{url} is no location with download_revoke: {body[:100]!r}") from error


def _said(body: bytes) -> str:
    try:
        return f": {json.loads(body)['error']}"
    except (ValueError, TypeError, KeyError):
        return ""
