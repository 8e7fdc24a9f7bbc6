import base64
import hashlib
import hmac
import time
import unittest
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

from nginx_download.signing import sign_url

KEY = "a key of 32 bytes, or even more?"


class SignUrlTests(unittest.TestCase):
    def test_as_documented(self):
        """The link in docs/signing.md."""
        self.assertEqual(
            sign_url("/dl/report.pdf", KEY, expires=1764000000, basename="Q3 report.pdf"),
            "/dl/report.pdf?expires=1764000000&basename=Q3%20report.pdf"
            "&signature=k0zhGOz9dQYrGcJCAAIUSHj5iNgkH-4MkPiL_6qRLw8",
        )

    def test_what_is_signed(self):
        for url, options, signed in [
            ("/a", {}, "/a?expires=9"),
            ("https://h:8/a%20b", {}, "/a%20b?expires=9"),
            ("/a?x=1&y", {}, "/a?x=1&y&expires=9"),
            ("/a#page=2", {}, "/a?expires=9"),
            ("/a", {"method": "GET"}, "/a?expires=9&method=GET"),
            ("/a", {"not_before": 8, "limit_rate": 0}, "/a?expires=9&not_before=8&limit_rate=0"),
            ("/a", {"attachment": False}, "/a?expires=9&attachment=0"),
            ("/a", {"basename": "é+/.txt"}, "/a?expires=9&basename=%C3%A9%2B%2F.txt"),
            ("/a", {"address": "192.0.2.7"}, "/a?expires=9&address=192.0.2.7"),
            ("/a", {"address": "192.0.2.0/24"}, "/a?expires=9&address=192.0.2.0%2F24"),
            ("/a", {"address": "192.0.2.7/255.255.255.0"}, "/a?expires=9&address=192.0.2.7%2F24"),
            ("/d/e/f", {"prefix": "/d/"}, "/d/?expires=9&prefix=/d/"),
            ("/d%20%C3%A9/f", {"prefix": "/d é/"}, "/d%20%C3%A9/?expires=9&prefix=/d%20%C3%A9/"),
        ]:
            with self.subTest(url, **options):
                link = sign_url(url, KEY, expires=9, **options)
                code = hmac.digest(KEY.encode(), signed.encode(), hashlib.sha256)
                signature = base64.urlsafe_b64encode(code).decode().rstrip("=")
                query = signed.partition("?")[2]
                base, _, fragment = url.partition("#")
                self.assertEqual(
                    link,
                    f"{base.partition('?')[0]}?{query}&signature={signature}"
                    + (f"#{fragment}" if fragment else ""),
                )

    def test_times(self):
        def expires(value):
            link = sign_url("/a", KEY, expires=value)
            return int(parse_qs(urlsplit(link).query)["expires"][0])

        self.assertEqual(expires(datetime(2026, 1, 2, tzinfo=timezone.utc)), 1767312000)
        self.assertAlmostEqual(expires(timedelta(hours=1)), time.time() + 3600, delta=2)

    def test_another_argument(self):
        self.assertIn("&sig=", sign_url("/a?signature=1", KEY, expires=9, arg="sig"))

    def test_refused(self):
        for url, key, options in [
            ("a", KEY, {}),
            ("", KEY, {}),
            ("/a b", KEY, {}),
            ("/é", KEY, {}),
            ("/100%", KEY, {}),
            ("/a/../b", KEY, {}),
            ("/a/%2e%2E/b", KEY, {}),
            ("/a?b='", KEY, {}),
            ("/a?expires=1", KEY, {}),
            ("/a?e%78pires=1", KEY, {}),
            ("/a?signature=", KEY, {}),
            ("/a", "", {}),
            ("/a", KEY + "\n", {}),
            ("/a", " " + KEY, {}),
            ("/a", b"a\0b", {}),
            ("/a", KEY, {"expires": -1}),
            ("/a", KEY, {"expires": 1.5}),
            ("/a", KEY, {"expires": 2**63}),
            ("/a", KEY, {"expires": datetime(2026, 1, 2)}),
            ("/a", KEY, {"method": "POST"}),
            ("/a", KEY, {"address": "example.org"}),
            ("/a", KEY, {"address": "192.0.2.7/33"}),
            ("/a", KEY, {"address": "fe80::1%eth0"}),
            ("/a", KEY, {"basename": ""}),
            ("/a", KEY, {"basename": "a\nb"}),
            ("/a", KEY, {"limit_rate": -1}),
            ("/a", KEY, {"limit_rate": True}),
            ("/d/a", KEY, {"prefix": "/"}),
            ("/d/a", KEY, {"prefix": "/d"}),
            ("/d/a", KEY, {"prefix": "d/"}),
            ("/d/a", KEY, {"prefix": "/d/./"}),
            ("/d/a", KEY, {"prefix": "/e/"}),
            ("/d/", KEY, {"prefix": "/d/"}),
        ]:
            with self.subTest(url, key=key, **options), self.assertRaises(ValueError):
                sign_url(url, key, **{"expires": 9, **options})
