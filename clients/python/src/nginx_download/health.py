"""Does a download work, through the server as it is deployed? To be asked by a monitor, or after a
deployment; also as a program: ``python -m nginx_download.health --help``.

What tests cannot see is whether nginx and the app fit together: see "Health checks" in README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from nginx_download.grants import MEDIA_TYPE, Grant, GrantError

_FOR_SERVERS = ("x-accel-redirect", "x-sendfile", "x-lighttpd-send-file", "x-reproxy-url")
#: A grant or the answer of a health location is never larger.
_LONGEST_JSON = 1 << 20


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Health:
    """What was found; true if all is well."""

    url: str
    checks: tuple[Check, ...]

    def __bool__(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def status(self) -> str:
        """``pass`` or ``fail``."""
        return "pass" if self else "fail"

    @property
    def failures(self) -> tuple[Check, ...]:
        """What is not well."""
        return tuple(check for check in self.checks if not check.passed)

    def as_dict(self) -> dict[str, Any]:
        """For a health endpoint of the app's own: ``{"status": "pass", "checks": {...}}``."""
        checks = {
            check.name: {
                "status": "pass" if check.passed else "fail",
                **({"output": check.detail} if check.detail else {}),
            }
            for check in self.checks
        }
        return {"status": self.status, "checks": checks}

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.url}"]
        for check in self.checks:
            detail = f": {check.detail}" if check.detail else ""
            lines.append(f"  {'ok' if check.passed else 'FAILED'}  {check.name}{detail}")
        return "\n".join(lines)


def check_live(
    url: str,
    *,
    status: int = 200,
    body: bytes | str | None = None,
    size: int | None = None,
    sha256: str | None = None,
    headers: Mapping[str, str | None] | None = None,
    server: str | None = None,
    ranges: bool = False,
    grant: bool = False,
    request_headers: Mapping[str, str] | None = None,
    timeout: float = 10,
) -> Health:
    """Fetches ``url`` and says whether what comes is what should come.

    - ``status``: redirects are not followed, so that a login page is no download.
    - ``body``, ``size``, ``sha256``: what was downloaded.
    - ``headers``: fields that the response has to have; ``None`` as a value: it must not have it.
    - ``server``: how the field Server has to begin, such as ``nginx``. A better proof that nginx has
      sent the file is a field that only the download location adds (``add_header``), in
      ``headers``.
    - ``ranges``: ask for the first byte as well; it has to come as a 206.
    - ``grant``: ``url`` is the app's own, around nginx: the response has to be a grant.
    - ``request_headers``: such as the Cookie of a user who is there for this.
    - ``timeout``: seconds; nothing is waited for afterwards.

    Whatever else is asked for, neither a grant nor an X-Accel-Redirect may come out. What a health
    location answers, ``{"status": "pass", "checks": {...}}``, is understood where nothing is said of
    the body.

    Never raises for what the server does: what goes wrong is a check that fails.
    """
    end = time.monotonic() + timeout
    is_download = not (body is None and size is None and sha256 is None)
    response = _fetch(url, request_headers or {}, end)
    if response.error:
        return Health(url, (Check("response", False, response.error),))
    checks = [_equal("status", response.status, status)]
    if isinstance(body, str):
        body = body.encode()
    if body is not None:
        digest = hashlib.sha256(body).hexdigest()
        checks.append(Check("body", response.sha256 == digest, _difference(response, len(body))))
    if size is not None:
        checks.append(_equal("size", response.size, size))
    if sha256 is not None:
        checks.append(_equal("sha256", response.sha256, sha256.lower()))
    for name, value in (headers or {}).items():
        checks.append(_equal(f"header {name}", response.headers.get(name), value))
    if server is not None:
        said = response.headers.get("Server", "")
        checks.append(Check("server", said.startswith(server), f"Server is {said!r}"))
    checks.append(_is_grant(response) if grant else _nothing_internal(response))
    if not is_download and not grant:
        checks.extend(_told(response))
    if ranges:
        checks.append(_range(_fetch(url, {**(request_headers or {}), "Range": "bytes=0-0"}, end)))
    return Health(url, tuple(checks))


# --- one request ------------------------------------------------------------------------------


@dataclass
class _Response:
    status: int = 0
    headers: Message = field(default_factory=Message)
    size: int = 0
    sha256: str = ""
    #: The beginning of the body.
    start: bytes = b""
    error: str = ""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        return None


def _fetch(url: str, headers: Mapping[str, str], end: float) -> _Response:
    if not url.startswith(("http://", "https://")):
        return _Response(error="the URL must begin with http:// or https://")
    request = Request(url, headers={"Accept-Encoding": "identity", **headers})
    try:
        try:
            stream = build_opener(_NoRedirect).open(request, timeout=_left(end))
        except HTTPError as error:
            stream = error
        with stream:
            return _read(stream, end)
    except (OSError, ValueError, HTTPException) as error:
        return _Response(error=f"{type(error).__name__}: {error}")


def _read(stream: Any, end: float) -> _Response:
    response = _Response(stream.status, stream.headers)
    digest = hashlib.sha256()
    while True:
        _left(end)
        piece = stream.read1(1 << 16)
        if not piece:
            break
        digest.update(piece)
        response.size += len(piece)
        if len(response.start) < _LONGEST_JSON:
            response.start += piece
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) != response.size:
        response.error = f"broken off: {response.size} bytes of {announced}"
    response.sha256 = digest.hexdigest()
    return response


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


# --- what is looked at ----------------------------------------------------------------------


def _equal(name: str, found: object, wanted: object) -> Check:
    return Check(name, found == wanted, "" if found == wanted else f"{found!r}, not {wanted!r}")


def _difference(response: _Response, size: int) -> str:
    return "" if response.size == size else f"{response.size} bytes, not {size}"


def _content_type(response: _Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _is_grant(response: _Response) -> Check:
    if _content_type(response) != MEDIA_TYPE:
        return Check("grant", False, f"Content-Type is {response.headers.get('Content-Type')!r}")
    try:
        Grant.from_json(response.start)
    except GrantError as error:
        return Check("grant", False, str(error))
    return Check("grant", True)


def _nothing_internal(response: _Response) -> Check:
    name = "nothing internal"
    if _content_type(response) == MEDIA_TYPE:
        return Check(name, False, "the grant came out: the location has no download_intercept")
    out = [header for header in _FOR_SERVERS if header in response.headers]
    return Check(name, not out, f"{', '.join(out)} came out" if out else "")


def _range(response: _Response) -> Check:
    found = f"{response.status}, {response.size} bytes"
    is_first = response.status == 206 and response.size == 1
    return Check("range", is_first and not response.error, response.error or found)


def _told(response: _Response) -> Iterable[Check]:
    """What a health location says itself, where the response is of one."""
    if not _content_type(response).endswith("json"):
        return
    try:
        said = json.loads(response.start)
    except ValueError:
        return
    if not isinstance(said, dict) or "checks" not in said:
        return
    yield Check("health", said.get("status") == "pass", f"status is {said.get('status')!r}")
    checks = said["checks"] if isinstance(said["checks"], dict) else {}
    for name, value in checks.items():
        # one for each, or a list where there are several of a kind
        for one in value if isinstance(value, list) else [value]:
            about = one if isinstance(one, dict) else {"status": one}
            more = {key: text for key, text in about.items() if key != "status"}
            detail = json.dumps(more, ensure_ascii=False) if more else str(about.get("status"))
            yield Check(f"health: {name}", about.get("status") == "pass", detail)


# --- the program -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the URL on the command line; 0 if all is well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m nginx_download.health",
        description="Fetches a download through the deployed server and says whether it is well.",
        epilog="Exits with 0 if all is well, with 1 if not.",
    )
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--status", type=int, default=200, help="200 if not said")
    parser.add_argument("--size", type=int, help="bytes of the body")
    parser.add_argument("--sha256", help="of the body, in hexadecimal")
    parser.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="a field that the response has to have; may be given several times",
    )  # fmt: skip
    parser.add_argument("--server", help="how the field Server has to begin, such as nginx")
    parser.add_argument("--ranges", action="store_true", help="the first byte has to come as 206")
    parser.add_argument("--grant", action="store_true", help="URL is the app's, and gives a grant")
    parser.add_argument(
        "--request-header", action="append", default=[], metavar="'NAME: VALUE'",
        help="a field to send, such as 'Cookie: sessionid=...'; may be given several times",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, default=10, help="seconds in all, 10 if not said")
    parser.add_argument("--json", action="store_true", help="say it in JSON")
    given = parser.parse_args(arguments)
    health = check_live(
        given.url,
        status=given.status,
        size=given.size,
        sha256=given.sha256,
        headers=_fields(parser, given.header),
        server=given.server,
        ranges=given.ranges,
        grant=given.grant,
        request_headers=_fields(parser, given.request_header),
        timeout=given.timeout,
    )
    print(json.dumps(health.as_dict()) if given.json else health)
    return 0 if health else 1


def _fields(parser: argparse.ArgumentParser, lines: Iterable[str]) -> dict[str, str]:
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            parser.error(f"no header field: {line!r}")
        fields[name.strip()] = value.strip()
    return fields


if __name__ == "__main__":
    sys.exit(main())
