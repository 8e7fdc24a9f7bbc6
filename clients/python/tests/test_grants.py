import doctest
import json
import unittest

import jsonschema

from nginx_download import MAX_SIZE, Grant, GrantError, GrantTooLarge, grants, signing
from tests import CORPUS, SCHEMA

PATH = {"path": "/srv/a"}
# Python's $ also stands before a line end, that of ECMA 262 does not.
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text().replace('$"', '\\\\Z"')))

# The schema takes these, but nginx would answer with a 404, or a 502 for the last.
STRICTER = [
    {"path": "a"},
    {"path": "/a/../b"},
    {"path": "/a/"},
    {"storage": "a", "path": "/a"},
    {"storage": "a", "path": "b/.."},
    {"location": "a"},
    {"location": "/a/../b?c"},
    {"url": "ftp://a/b"},
    {"url": "a"},
]

# Good for some field and bad for others.
STRINGS = [
    *["", " ", "a", "a b", "/a/b.txt", "https://a/b?c", "é", "日本", "\u202e", "a\tb", "a\rb"],
    *["a\nb", "a\r\n", "\0", "a\0", "\x1b", "\x7f", "\x80", "\x85", "\u2028", "\U0010ffff", "a\\"],
    *['"', '"a"', 'W/"a"', 'w/"a"', '""', '"a"b"', '"a b"', '"é"', '"\1"', '"a"\n', "W/"],
    *["gzip", "identity", "gzip, br", "utf-8", "utf-8\n", "text/plain", "text/html; charset=utf-8"],
    *['text/html;charset="a\\"b;c"', "text/html;;a=b ;", "text/html; ", "text/html ", " text/html"],
    *["text/html;a", "text/html;a=", "text/html;a =b", 'text/html;a="b', 'text/html;a="b"c'],
    *['text/html;a="é"', 'text/html;a="\t"', "text/html\n", "text/", "/html", "a/b/c", "a/b;c=d/e"],
    *[
        "QUJD",
        "QUI=",
        "QUI",
        "QQ==",
        "QQ=",
        "QQ",
        "Q",
        "QR==",
        "QR",
        "QUJ",
        "QUJD=",
        "QUI==",
        "Q===",
    ],
    *["=", "====", "_-8=", "+/8=", "QU JD", "QUJD\n", "QQ==QQ=="],
    *["Vary", "X-Accel", "X-Accel-Redirect", "x_accel_mapping", "X-SENDFILE", "X-Sendfile2"],
    *["XSendfile", "X-LIGHTTPD-send-file", "X-Reproxy-URL", "X-Lighttpd", "Content-Type"],
    *["content_encoding", "ETag", "LAST-MODIFIED", "Content-Disposition", "Connection", "TE", "te"],
    *["Keep-Alive", "Proxy-Connection", "Trailer", "Trailers", "Transfer-Encoding", "Upgrade"],
    *["Proxy-Authenticate", "Proxy-Authorization", "Content-Length", "Content-Range"],
    *["Accept-Ranges", "accept_ranges", "Status", "Status-URI", "Set-Cookie", "X-A:", "X A", "(a)"],
    "!#$%&'*+.^_`|~-",
]
OTHERS = [
    *[None, True, False, 0, 1, -1, 0.5, 1e300, 253_402_300_799, 253_402_300_800, 2**63 - 1, 2**63],
    *[[], [None], [1], ["a", "b"], ["a", ""], ["a\n"], [["a"]], {}, {"a": "b"}, {"a": None}],
    *[{"a": 1}, {"ttl": 1}, {"tags": ["a"]}, {"ttl": None, "tags": None}, {"path": "/a"}],
    *[{"path": "a", "storage": "b"}, {"file": {"path": "/a"}}, {"ttl": True}, {"ttl": 1, "x": 1}],
]


def is_taken(values: object) -> bool:
    try:
        grant = Grant.from_dict(values)
    except GrantError:
        return False
    # and what it writes is the same
    assert VALIDATOR.is_valid(json.loads(grant.to_json()))
    assert Grant.from_json(grant.to_json()) == grant
    return True


class SchemaTests(unittest.TestCase):
    def test_corpus(self):
        for folder, taken in [("accepted", True), ("refused", False), ("refused-by-syntax", False)]:
            files = list((CORPUS / folder).glob("*.json"))
            self.assertTrue(files)
            for file in files:
                with self.subTest(file.name):
                    body = file.read_bytes()
                    if taken:
                        Grant.from_json(body)
                    else:
                        self.assertRaises(GrantError, Grant.from_json, body)

    def test_every_value_in_every_place(self):
        places = {
            "storage": lambda value: {"file": {"storage": value, "path": "a"}},
            "path in it": lambda value: {"file": {"storage": "a", "path": value}},
            "tag": lambda value: {"file": PATH, "cache": {"tags": ["a", value]}},
            "header": lambda value: {"file": PATH, "headers": {"X-A": value}},
            "header name": lambda value: {"file": PATH, "headers": {str(value): "a"}},
            "ttl": lambda value: {"file": PATH, "cache": {"ttl": value}},
            "tags": lambda value: {"file": PATH, "cache": {"tags": value}},
            "name": lambda value: {"file": PATH, f"{value} ": None},
            "with headers": lambda value: {
                "file": PATH,
                "basename": value,
                "headers": {"content_Disposition": "inline"},
            },
        }
        for kind in ["path", "location", "url", "content", "base64", "descriptor"]:
            places[kind] = lambda value, kind=kind: {"file": {kind: value}}
        for field in Grant.__dataclass_fields__:
            places[field] = lambda value, field=field: {"file": PATH, field: value}
        for place, grant in places.items():
            verdicts = set()
            for value in STRINGS + OTHERS:
                values = grant(value)
                with self.subTest(place, value=value):
                    good = VALIDATOR.is_valid(values)
                    if good and self.stricter(place, value):
                        good = False
                    self.assertEqual(is_taken(values), good, values)
                    verdicts.add(good)
            if place != "name":
                self.assertEqual(verdicts, {True, False}, place)

    def stricter(self, place, value):
        """Where a path that leads nowhere is refused here, and by nginx later."""
        return (
            (place in ("path", "location") and value is not None and not value.startswith("/"))
            or (place == "path in it" and (value.startswith("/") or value.endswith("/")))
            or (place == "storage" and value is None)
            or (place == "url" and value is not None and not value.startswith("https://"))
            or (place == "file" and value == {"a": None})
        )

    def test_every_combination_of_kinds(self):
        kinds = {
            "storage": "a",
            "path": "/a",
            "location": "/a",
            "url": "https://a/",
            "content": "a",
            "base64": "QQ==",
            "descriptor": 0,
        }
        for combination in range(3 ** len(kinds)):
            file, left = {}, combination
            for kind, value in kinds.items():
                if left % 3:
                    file[kind] = value if left % 3 == 1 else None
                left //= 3
            if file.get("storage") and file.get("path"):
                file["path"] = "a"
            self.assertEqual(is_taken({"file": file}), VALIDATOR.is_valid({"file": file}), file)

    def test_stricter_than_the_schema(self):
        for file in STRICTER:
            with self.subTest(file):
                self.assertTrue(VALIDATOR.is_valid({"file": file}))
                self.assertRaises(GrantError, Grant, file)


class GrantTests(unittest.TestCase):
    def test_everything(self):
        everything = {
            "file": {"storage": "media", "path": "2026/q3.pdf"},
            "basename": 'Größe "7".pdf',
            "attachment": False,
            "mimetype": "application/pdf",
            "charset": "utf-8",
            "encoding": "gzip",
            "etag": '"v17"',
            "modified": 1764000000,
            "size": 0,
            "headers": {"Cache-Control": "private, no-store", "X-E": "é"},
            "limit_rate": 0,
            "limit_rate_after": 1,
            "cache": {"ttl": 0, "tags": ["user:7", "doc:12"]},
        }
        grant = Grant(**everything)
        self.assertEqual(json.loads(grant.to_json()), everything)
        self.assertEqual(grant.as_dict(), everything)
        VALIDATOR.validate(everything)

    def test_messages_name_the_field(self):
        for values, message in [
            ({"basename": "a\nb"}, "basename must not contain CR, LF or NUL"),
            ({"etag": "v1"}, "etag is not an entity tag in its quotes: 'v1'"),
            ({"modified": 1.5}, "modified is no whole number"),
            ({"size": True}, "size is no whole number"),
            ({"headers": {"Content-Type": "a/b"}}, 'use the grant\'s field "mimetype"'),
            ({"headers": {"X-Accel-Redirect": "/"}}, "this is for servers"),
            ({"headers": {"Connection": "close"}}, "nginx sets this"),
            ({"headers": {"X-A": "a\r\nSet-Cookie: b"}}, "no control character but tab"),
            ({"headers": {"X-A": "a", "x-a": "b"}}, "comes twice"),
            ({"cache": {"tags": "user:7"}}, "cache: tags is no list of strings"),
            ({"cache": {"tll": 1}}, "cache: unknown field 'tll'"),
            ({"basename": "\udcff"}, "cannot be written in UTF-8"),
        ]:
            with self.subTest(message):
                with self.assertRaises(GrantError) as raised:
                    Grant(PATH, **values)
                self.assertIn(message, str(raised.exception))

    def test_frozen(self):
        headers = {"X-A": "a"}
        grant = Grant(PATH, headers=headers)
        headers["X-Accel-Redirect"] = "/"
        self.assertEqual(grant.headers, {"X-A": "a"})
        with self.assertRaises(AttributeError):
            grant.basename = "a\n"

    def test_size(self):
        frame = len(Grant({"content": ""}).to_json())
        body = "é" * ((MAX_SIZE - frame) // 2)
        self.assertLessEqual(len(Grant({"content": body}).to_json()), MAX_SIZE)
        with self.assertRaises(GrantTooLarge) as raised:
            Grant({"content": body + "é"}).to_json()
        self.assertIn("nginx takes 65536", str(raised.exception))
        self.assertGreater(len(Grant({"content": body + "é"}).to_json(max_size=1 << 20)), MAX_SIZE)

    def test_content(self):
        self.assertEqual(grants.content("é"), {"content": "é"})
        self.assertEqual(grants.content("é".encode()), {"content": "é"})
        self.assertEqual(grants.content(b"\xff\0"), {"base64": "/wA="})

    def test_documentation(self):
        for module in grants, signing:
            self.assertEqual(doctest.testmod(module).failed, 0)


if __name__ == "__main__":
    unittest.main()
