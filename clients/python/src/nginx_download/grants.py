"""The grant: the app's answer "this request may have this file, described like so".

It is JSON of the media type `MEDIA_TYPE`. nginx reads it strictly and answers a malformed one with
a 502; here it is an exception where the grant is made, which the app's tests will see.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, NoReturn, TypedDict

MEDIA_TYPE = "application/vnd.nginx-download.grant+json"

#: The most bytes that a grant may have: ``download_grant_max_size``, as nginx has it by default.
MAX_SIZE = 64 * 1024


class GrantError(ValueError):
    """nginx would refuse this grant, or find no file by it; the message says which field is wrong."""


class GrantTooLarge(GrantError):
    """The grant is larger than nginx takes."""


class Cache(TypedDict, total=False):
    """How long nginx may remember the decision, where it has a ``download_cache``."""

    #: Seconds; 0: not at all.
    ttl: int | None
    #: By these the decision can be revoked: ``user:7``.
    tags: Sequence[str] | None


@dataclass(frozen=True)
class Grant:
    """A file, and what is said about it. What is ``None`` is left to nginx.

    >>> Grant({"storage": "media", "path": "2026/q3.pdf"}, basename="Q3.pdf").to_json()
    b'{"file":{"storage":"media","path":"2026/q3.pdf"},"basename":"Q3.pdf"}'

    Raises `GrantError` for all that nginx would refuse.
    """

    #: One of ``{"storage": NAME, "path": RELATIVE}``, ``{"path": ABSOLUTE}``, ``{"location": URI}``,
    #: ``{"url": URL}``, ``{"content": TEXT}``, ``{"base64": DATA}``, ``{"descriptor": 0}``: the one that
    #: is passed along (`nginx_download.descriptors`).
    file: Mapping[str, str | int]
    _: KW_ONLY
    #: The name to save the file under; any character but line ends.
    basename: str | None = None
    #: Save the file, or show it.
    attachment: bool | None = None
    #: Content-Type, with or without parameters.
    mimetype: str | None = None
    charset: str | None = None
    #: The Content-Encoding that the file is stored in: ``gzip``.
    encoding: str | None = None
    #: In its quotes: ``'"v1"'`` or ``'W/"v1"'``.
    etag: str | None = None
    #: Last-Modified in Unix seconds.
    modified: int | None = None
    size: int | None = None
    #: Header fields for the client.
    headers: Mapping[str, str] | None = None
    #: Bytes per second; 0: no limit.
    limit_rate: int | None = None
    #: Bytes that are sent at full speed first.
    limit_rate_after: int | None = None
    cache: Cache | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _CHECKS[field.name](field.name, value))
            elif field.name == "file":
                raise GrantError("file is missing")
        described = self.basename is not None or self.attachment is not None
        if described and any(_folded(name) == "content-disposition" for name in self.headers or ()):
            raise GrantError(
                "Content-Disposition in headers contradicts basename and attachment: "
                "give one or the others"
            )

    def as_dict(self) -> dict[str, Any]:
        """The grant as nginx reads it; what is ``None`` is left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}

    def to_json(self, *, max_size: int = MAX_SIZE) -> bytes:
        """The body of the app's answer, which has the media type `MEDIA_TYPE`.

        Raises `GrantTooLarge` if it has more bytes than `max_size`, nginx's
        ``download_grant_max_size``.
        """
        text = json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"))
        body = text.encode()
        if len(body) > max_size:
            raise GrantTooLarge(
                f"the grant has {len(body)} bytes, nginx takes {max_size}: "
                "name a file instead of its content, or raise download_grant_max_size"
            )
        return body

    @classmethod
    def from_json(cls, body: bytes | str) -> Grant:
        """Reads a grant as nginx does."""
        try:
            text = body.decode() if isinstance(body, bytes) else body
            values = json.loads(
                text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse
            )
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise GrantError(f"no JSON: {error}") from error
        if not isinstance(values, dict):
            raise GrantError("a grant is an object")
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grant:
        """The grant of what JSON says."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise GrantError(f"unknown field {name!r}")
        return cls(**{"file": None, **values})


def content(body: bytes | str) -> dict[str, str | int]:
    """The ``file`` of a grant that brings its content along: as text if it is UTF-8."""
    if isinstance(body, str):
        return {"content": body}
    try:
        return {"content": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def may_be_header(name: str) -> bool:
    """May a field of this name stand in a grant's ``headers``?

    Not if it is about the connection or the body's length, meant for servers, or if the grant has
    a field of its own for it.
    """
    return _TOKEN.fullmatch(name) is not None and _refusal_of(name) is None


def is_grant(content_type: str) -> bool:
    """Would nginx take what has this Content-Type for a grant?"""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def is_media_type(text: str) -> bool:
    """May this stand in a grant's ``mimetype``?"""
    return _MEDIA_TYPE.fullmatch(text) is not None


# --- checks, in the words of core/grant.schema.json ------------------------------------------

_MAX = 2**63 - 1
#: The last second of the year 9999, the last one that an HTTP date can say.
_MAX_TIME = 253_402_300_799

_TCHAR = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_TOKEN = re.compile(f"{_TCHAR}+")
_MEDIA_TYPE = re.compile(
    f"{_TCHAR}+/{_TCHAR}+(?:[ \t]*;(?:[ \t]*{_TCHAR}+=(?:{_TCHAR}+|{_QUOTED}))?)*"
)
_ETAG = re.compile('(?:W/)?"[^\0- "\x7f]*"')
_FIELD_VALUE = re.compile("[^\0-\x08\n-\x1f\x7f]*")
_BASE64 = re.compile(
    "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]={0,2}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?"
)

_SET_BY_THE_SERVER = {
    "accept-ranges",
    "connection",
    "content-length",
    "content-range",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "status",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_FOR_SERVERS = ("x-accel-", "x-sendfile", "x-lighttpd-", "x-reproxy-")
_OWN_FIELDS = {
    "content-type": "mimetype",
    "content-encoding": "encoding",
    "etag": "etag",
    "last-modified": "modified",
}


def _folded(name: str) -> str:
    """CGI takes ``X_Accel_Redirect`` for ``X-Accel-Redirect``."""
    return name.lower().replace("_", "-")


def _refusal_of(name: str) -> str | None:
    folded = _folded(name)
    if folded in _SET_BY_THE_SERVER:
        return "nginx sets this, an app must not"
    if folded.startswith(_FOR_SERVERS):
        return "this is for servers, never for a client"
    if folded in _OWN_FIELDS:
        return f'use the grant\'s field "{_OWN_FIELDS[folded]}"'
    return None


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise GrantError(f"{place} is no string, but {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise GrantError(f"{place} cannot be written in UTF-8: {value!r}") from None
    return str(value)


def _line(place: str, value: Any) -> str:
    text = _text(place, value)
    if not text:
        raise GrantError(f"{place} must not be empty")
    if re.search("[\r\n\0]", text):
        raise GrantError(f"{place} must not contain CR, LF or NUL: {text!r}")
    return text


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str, Any], str]:
    def check(place: str, value: Any) -> str:
        if not pattern.fullmatch(_text(place, value)):
            raise GrantError(f"{place} is not {what}: {value!r}")
        return str(value)

    return check


def _whole(highest: int) -> Callable[[str, Any], int]:
    def check(place: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise GrantError(f"{place} is no whole number, but {value!r}")
        if not 0 <= value <= highest:
            raise GrantError(f"{place} is not within 0 and {highest}: {value}")
        return int(value)

    return check


def _boolean(place: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise GrantError(f"{place} is neither True nor False, but {value!r}")
    return value


def _mapping(place: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise GrantError(f"{place} is no mapping, but {value!r}")
    return value


_base64 = _matching(_BASE64, "standard base64")
_KINDS: dict[str, Callable[[str, Any], str | int]] = {
    "storage": _line,
    "path": _line,
    "location": _line,
    "url": _line,
    "content": _text,
    "base64": _base64,
    "descriptor": _whole(2**32 - 1),
}


def _file(place: str, value: Any) -> dict[str, str | int]:
    given = {name: it for name, it in _mapping(place, value).items() if it is not None}
    for name in _mapping(place, value):
        if name not in _KINDS:
            raise GrantError(f"{place}: unknown field {name!r}")
    file = {name: _KINDS[name](f"{place}: {name}", it) for name, it in given.items()}
    if set(file) == {"storage"}:
        raise GrantError(f"{place}: storage needs a path in it")
    if len(file) != 1 and set(file) != {"storage", "path"}:
        raise GrantError(
            f"{place}: give exactly one of storage with path, path, location, url, content, base64, "
            "descriptor"
        )
    _leads_somewhere(place, {name: it for name, it in file.items() if isinstance(it, str)})
    return file


def _leads_somewhere(place: str, file: Mapping[str, str]) -> None:
    """These nginx would not refuse, but answer with a 404."""
    if "url" in file:
        if not file["url"].startswith(("http://", "https://")):
            raise GrantError(f"{place}: url must begin with http:// or https://: {file['url']!r}")
        return
    name = "path" if "path" in file else "location"
    if name not in file:
        return
    path = file[name].partition("?")[0] if name == "location" else file[name]
    if path.startswith("/") != ("storage" not in file):
        must = "must not" if "storage" in file else "must"
        raise GrantError(f"{place}: {name} {must} begin with a slash: {path!r}")
    if ".." in path.split("/"):
        raise GrantError(f'{place}: {name} contains a ".." segment: {path!r}')
    if path.endswith(("/", "/.")) or path == ".":
        raise GrantError(f"{place}: {name} is a directory: {path!r}")


def _headers(place: str, value: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    seen: set[str] = set()
    for name, text in _mapping(place, value).items():
        at = f"{place}: {name!r}"
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise GrantError(f"{at} is no header field's name")
        if refusal := _refusal_of(name):
            raise GrantError(f"{at}: {refusal}")
        if not _FIELD_VALUE.fullmatch(_text(at, text)):
            raise GrantError(f"{at}: no control character but tab may be in it: {text!r}")
        if name.lower() in seen:
            raise GrantError(f"{at} comes twice")
        seen.add(name.lower())
        headers[name] = str(text)
    return headers


def _cache(place: str, value: Any) -> Cache:
    cache: Cache = {}
    for name, item in _mapping(place, value).items():
        if name not in ("ttl", "tags"):
            raise GrantError(f"{place}: unknown field {name!r}")
        if item is None:
            continue
        if name == "ttl":
            cache["ttl"] = _whole(_MAX)(f"{place}: ttl", item)
        else:
            cache["tags"] = _tags(f"{place}: tags", item)
    return cache


def _tags(place: str, value: Any) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise GrantError(f"{place} is no list of strings, but {value!r}")
    return [_line(place, tag) for tag in value]


_token = _matching(_TOKEN, "one word")
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "file": _file,
    "basename": _line,
    "attachment": _boolean,
    "mimetype": _matching(_MEDIA_TYPE, "a media type"),
    "charset": _token,
    "encoding": _token,
    "etag": _matching(_ETAG, "an entity tag in its quotes"),
    "modified": _whole(_MAX_TIME),
    "size": _whole(_MAX),
    "headers": _headers,
    "limit_rate": _whole(_MAX),
    "limit_rate_after": _whole(_MAX),
    "cache": _cache,
}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise GrantError("a field comes twice")
    return values


def _integer(digits: str) -> int:
    return _refuse(digits) if digits == "-0" else int(digits)


def _refuse(text: str) -> NoReturn:
    raise GrantError(f"no JSON, or none that nginx takes: {text}")
