"""Assertions for the app's tests, in the manner of django-downloadview's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from unittest import TestCase

from nginx_download.grants import MEDIA_TYPE, Grant, GrantError


def assert_grant(test_case: TestCase, response: Any, **assertions: Any) -> Grant:
    """Makes ``test_case`` assert that ``response`` is a grant that nginx would take.

    ``response`` is one of Django's test client, of Werkzeug's (Flask), of Starlette's, of httpx or
    requests. Each of ``assertions`` is what a field of the grant has to be, ``None`` if the grant
    must not have it:

    * ``file``: ``{"storage": "media", "path": "q3.pdf"}``;

    * ``basename``, ``attachment``, ``mimetype``, ``charset``, ``encoding``, ``etag``,
      ``modified``, ``size``, ``limit_rate``, ``limit_rate_after``;

    * ``headers``: those of the grant's header fields that matter, in whatever case; ``None`` as a
      value: the grant has no such field;

    * ``cache``: ``{"ttl": 30, "tags": ["user:7"]}``;

    * ``content``: what the grant brings along, as str or bytes.

    Returns the grant, for what else there is to check.
    """
    return GrantValidator()(test_case, response, **assertions)


class GrantValidator:
    """Checks responses that are grants; see `assert_grant`."""

    def __call__(self, test_case: TestCase, response: Any, **assertions: Any) -> Grant:
        grant = self.assert_grant_response(test_case, response)
        for name, value in assertions.items():
            check = getattr(self, f"assert_{name}", None)
            if check is not None:
                check(test_case, grant, value)
            elif name in Grant.__dataclass_fields__:
                self.assert_field(test_case, grant, name, value)
            else:
                raise TypeError(f"assert_grant() knows no {name!r}: a grant has no such field")
        return grant

    def assert_grant_response(self, test_case: TestCase, response: Any) -> Grant:
        status = response.status_code
        if status != 200:
            test_case.fail(f"no grant: the app answered {status}: {_shown(response)}")
        content_type = response.headers.get("Content-Type", "")
        if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
            streams = " (the app sends the file itself)" if _streams(response) else ""
            test_case.fail(f"no grant: Content-Type is {content_type!r}, not {MEDIA_TYPE}{streams}")
        coding = response.headers.get("Content-Encoding")
        if coding:
            test_case.fail(f"nginx would refuse this grant: it has Content-Encoding {coding!r}")
        try:
            return Grant.from_json(_body(response))
        except GrantError as error:
            raise test_case.failureException(f"nginx would refuse this grant: {error}") from error

    def assert_field(self, test_case: TestCase, grant: Grant, name: str, value: Any) -> None:
        test_case.assertEqual(getattr(grant, name), value, f"the grant's {name}: {grant}")

    def assert_file(
        self, test_case: TestCase, grant: Grant, value: Mapping[str, str | int]
    ) -> None:
        test_case.assertEqual(grant.file, dict(value), f"the grant's file: {grant}")

    def assert_headers(
        self, test_case: TestCase, grant: Grant, value: Mapping[str, str | None] | None
    ) -> None:
        if value is None:
            test_case.assertFalse(grant.headers, f"the grant has headers: {grant}")
            return
        has = {name.lower(): text for name, text in (grant.headers or {}).items()}
        for name, text in value.items():
            test_case.assertEqual(has.get(name.lower()), text, f"the grant's header {name}: {has}")

    def assert_cache(
        self, test_case: TestCase, grant: Grant, value: Mapping[str, Any] | None
    ) -> None:
        said = None if value is None else {**value}
        if said and said.get("tags") is not None:
            said["tags"] = list(said["tags"])
        test_case.assertEqual(grant.cache, said, f"the grant's cache: {grant}")

    def assert_content(self, test_case: TestCase, grant: Grant, value: str | bytes) -> None:
        if "content" in grant.file:
            has = str(grant.file["content"]).encode()
        elif "base64" in grant.file:
            data = str(grant.file["base64"]).rstrip("=")
            has = base64.b64decode(data + "=" * (-len(data) % 4))
        else:
            test_case.fail(f"the grant brings no content along: {grant}")
        test_case.assertEqual(has, value.encode() if isinstance(value, str) else value)


def _body(response: Any) -> bytes:
    """Werkzeug says get_data(), all others say content."""
    body = response.get_data() if hasattr(response, "get_data") else response.content
    return bytes(body)


def _streams(response: Any) -> bool:
    return bool(getattr(response, "streaming", False))


def _shown(response: Any) -> str:
    return "a stream" if _streams(response) else repr(_body(response)[:200])
