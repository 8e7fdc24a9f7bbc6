"""Signed links, by the scheme ``hmac-sha256`` of ``download_signature``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit, urlunsplit

Time = int | datetime | timedelta
"""Unix seconds, a datetime that knows its time zone, or a time from now."""

_CLAIMS = {
    "address",
    "attachment",
    "basename",
    "expires",
    "limit_rate",
    "method",
    "not_before",
    "prefix",
}
# what every client sends as it stands (RFC 3986, and the URL Standard, which escapes "'" in queries)
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


def sign_url(
    url: str,
    key: str | bytes,
    *,
    expires: Time,
    not_before: Time | None = None,
    method: Literal["GET", "HEAD"] | None = None,
    address: str | None = None,
    prefix: str | None = None,
    basename: str | None = None,
    attachment: bool | None = None,
    limit_rate: int | None = None,
    arg: str = "signature",
) -> str:
    """The link that may be fetched until it expires.

    ``url`` is a URL or its path, percent-encoded as it will be sent, perhaps with a query.
    ``key`` is a line of nginx's ``key_file``. The other arguments are the link's claims:

    - ``expires``, ``not_before``: `Time`.
    - ``method``: ``"GET"`` (and HEAD), or ``"HEAD"``; without it, any.
    - ``address``: the client's IP address or network, such as ``"192.0.2.0/24"``.
    - ``prefix``: a directory, not percent-encoded, such as ``"/dl/2025/"``: the query of this link
      is good for every path below.
    - ``basename``, ``attachment``, ``limit_rate``: as in a grant.

    ``arg`` is the argument that carries the signature, if nginx has another ``arg=``.

    >>> sign_url("/dl/report.pdf", "a key of 32 bytes, or even more?", expires=1764000000)
    '/dl/report.pdf?expires=1764000000&signature=ghgMsdf1C72w6QDo521nmA3xBY1S0SLzn5vbKKx5Cj0'

    Raises ValueError for a link that nginx would refuse.
    """
    scheme, host, path, query, fragment = urlsplit(url)
    _check_url(path, query, arg)
    claims = _claims(not_before, method, address, basename, attachment, limit_rate)
    text = urlencode({"expires": _seconds("expires", expires), **claims}, quote_via=quote)
    signed_path = path
    if prefix is not None:
        signed_path = _directory(prefix, path)
        text += f"&prefix={signed_path}"
    query = f"{query}&{text}" if query else text
    code = hmac.digest(_checked(key), f"{signed_path}?{query}".encode("ascii"), hashlib.sha256)
    signature = base64.urlsafe_b64encode(code).rstrip(b"=").decode("ascii")
    return urlunsplit((scheme, host, path, f"{query}&{arg}={signature}", fragment))


def _check_url(path: str, query: str, arg: str) -> None:
    if not _PATH.fullmatch(path):
        raise ValueError(f"the path must begin with a slash and be percent-encoded: {path!r}")
    if any(unquote_to_bytes(segment) in (b".", b"..") for segment in path.split("/")):
        raise ValueError(f"clients resolve segments of dots: {path!r}")
    if not _QUERY.fullmatch(query):
        raise ValueError(f"the query is not percent-encoded: {query!r}")
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name in _CLAIMS or name == arg:
            raise ValueError(f"the URL has an argument {name!r}, which is the signature's own")


def _claims(
    not_before: Time | None,
    method: str | None,
    address: str | None,
    basename: str | None,
    attachment: bool | None,
    limit_rate: int | None,
) -> dict[str, str]:
    claims: dict[str, str] = {}
    if not_before is not None:
        claims["not_before"] = _seconds("not_before", not_before)
    if method is not None:
        if method not in ("GET", "HEAD"):
            raise ValueError(f"method is GET or HEAD, not {method!r}")
        claims["method"] = method
    if address is not None:
        claims["address"] = _network(address)
    if basename is not None:
        if not basename or re.search("[\r\n\0]", basename):
            raise ValueError(f"basename is no name on one line: {basename!r}")
        claims["basename"] = basename
    if attachment is not None:
        claims["attachment"] = "1" if attachment else "0"
    if limit_rate is not None:
        claims["limit_rate"] = _number("limit_rate", limit_rate)
    return claims


def _seconds(name: str, value: Time) -> str:
    if isinstance(value, timedelta):
        return _number(name, int(time.time() + value.total_seconds()))
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{name} is a time without a time zone: {value}")
        return _number(name, int(value.timestamp()))
    return _number(name, value)


def _number(name: str, value: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{name} is no whole number that nginx can read: {value!r}")
    return str(value)


def _network(address: str) -> str:
    network = ip_network(address, strict=False)
    if "%" in address:
        raise ValueError(f"address has a zone: {address!r}")
    # the bits in CIDR notation: nginx takes no netmask
    return f"{address.partition('/')[0]}/{network.prefixlen}" if "/" in address else address


def _directory(prefix: str, path: str) -> str:
    """The prefix as it will stand in the query."""
    segments = prefix.split("/")
    inside = segments[1:-1]
    if segments[0] or segments[-1] or not inside or {"", ".", ".."} & set(inside):
        raise ValueError(f"prefix is no directory below the root, such as /dl/2025/: {prefix!r}")
    below = unquote_to_bytes(path)
    if not below.startswith(prefix.encode()) or below == prefix.encode():
        raise ValueError(f"{path!r} is not below {prefix!r}")
    return quote(prefix, safe="/")


def _checked(key: str | bytes) -> bytes:
    key = key.encode() if isinstance(key, str) else key
    if not key or key.strip(b" \t") != key or re.search(rb"[\r\n\0]", key):
        raise ValueError("the key is no line of a key file: is there a line end, or space around?")
    return key
