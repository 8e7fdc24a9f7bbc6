import json
import unittest
from urllib.parse import parse_qsl

from nginx_download.revoke import RevokeError, revoke
from tests.servers import server


class RevokeTests(unittest.TestCase):
    def test_what_is_asked(self):
        asked = []

        def answer(method, path, headers, body):
            asked.append((method, path, headers["Content-Type"], parse_qsl(body.decode())))
            return 200, {}, b'{"revoked": 3}'

        with server(answer) as url:
            found = revoke(f"{url}/revoke", tags=["user:7", "é &"], key=["/a", "s"], cut=True)
        self.assertEqual(found, 3)
        self.assertEqual(
            asked,
            [
                (
                    "POST",
                    "/revoke",
                    "application/x-www-form-urlencoded",
                    [("tag", "user:7"), ("tag", "é &"), ("key", "/a"), ("key", "s"), ("cut", "1")],
                )
            ],
        )

    def test_failures(self):
        for status, body, message in [
            (400, json.dumps({"error": 'unknown argument "x"'}).encode(), "400: unknown argument"),
            (403, b"<html>", "answered 403"),
            (200, b"<html>", "no location with download_revoke"),
            (200, b"[]", "no location with download_revoke"),
            (302, b"", "answered 302"),
        ]:
            with self.subTest(body), server(lambda *_, s=status, b=body: (s, {}, b)) as url:
                self.assertRaisesRegex(RevokeError, message, revoke, url, tags=["a"])
        self.assertRaises(RevokeError, revoke, url, tags=["a"], timeout=1)

    def test_nothing_to_revoke(self):
        self.assertRaises(ValueError, revoke, "http://127.0.0.1/")
        self.assertRaises(TypeError, revoke, "http://127.0.0.1/", tags="user:7")
