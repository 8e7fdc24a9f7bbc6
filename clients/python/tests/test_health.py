import contextlib
import hashlib
import io
import json
import unittest
from unittest import mock

from nginx_download import MEDIA_TYPE
from nginx_download.health import check_live, main
from tests.servers import server

FILE = b"the file\n"


def answer(method, path, headers, body):
    if path == "/file":
        if headers.get("Range") == "bytes=0-0":
            return 206, {"Server": "nginx", "X-By": "nginx"}, FILE[:1]
        return 200, {"Server": "nginx/1.28.3", "X-By": "nginx"}, FILE
    if path == "/grant":
        return 200, {"Content-Type": MEDIA_TYPE}, b'{"file":{"path":"/a"}}'
    if path == "/wrong":
        return 200, {"Content-Type": MEDIA_TYPE}, b'{"file":{"path":"a"}}'
    if path == "/accel":
        return 200, {"X-Accel-Redirect": "/a"}, b""
    if path == "/login":
        return 302, {"Location": "/file"}, b""
    if path == "/short":
        return 200, {"Content-Length": "20"}, FILE
    said = {
        "/pass": (200, {"status": "pass", "checks": {"a": {"status": "pass"}, "b": "pass"}}),
        "/fail": (
            503,
            {
                "status": "fail",
                "checks": {"a": {"status": "pass"}, "b": [{"status": "fail", "output": "no disk"}]},
            },
        ),
    }
    status, health = said[path]
    return status, {"Content-Type": "application/health+json"}, json.dumps(health).encode()


class CheckLiveTests(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        # a proxy is not for these
        stack.enter_context(mock.patch.dict("os.environ", {"no_proxy": "127.0.0.1"}))
        self.url = stack.enter_context(server(answer))

    def failures(self, path, **expected):
        health = check_live(self.url + path, timeout=5, **expected)
        self.assertEqual(health.status, "fail" if health.failures else "pass")
        self.assertEqual(bool(health), not health.failures)
        return [check.name for check in health.failures]

    def test_well(self):
        digest = hashlib.sha256(FILE).hexdigest()
        headers = {"x-by": "nginx", "X-Not-There": None}
        failures = self.failures(
            "/file",
            body=FILE,
            size=9,
            sha256=digest.upper(),
            headers=headers,
            server="nginx",
            ranges=True,
        )
        self.assertEqual(failures, [])

    def test_not_well(self):
        for path, expected, failures in [
            ("/file", {"status": 404}, ["status"]),
            ("/file", {"body": "the file"}, ["body"]),
            ("/file", {"size": 8}, ["size"]),
            ("/file", {"sha256": "0"}, ["sha256"]),
            ("/file", {"headers": {"X-By": "app"}}, ["header X-By"]),
            ("/file", {"headers": {"X-By": None}}, ["header X-By"]),
            ("/file", {"server": "gunicorn"}, ["server"]),
            ("/file", {"grant": True}, ["grant"]),
            ("/login", {}, ["status"]),
            ("/grant", {}, ["nothing internal"]),
            ("/grant", {"ranges": True}, ["nothing internal", "range"]),
            ("/accel", {}, ["nothing internal"]),
            ("/short", {}, ["response"]),
        ]:
            with self.subTest(path, **expected):
                self.assertEqual(self.failures(path, **expected), failures)

    def test_the_app_alone(self):
        self.assertEqual(self.failures("/grant", grant=True), [])
        self.assertEqual(self.failures("/wrong", grant=True), ["grant"])

    def test_what_nginx_says_of_its_health(self):
        self.assertEqual(self.failures("/pass"), [])
        self.assertEqual(self.failures("/fail"), ["status", "health", "health: b"])
        self.assertIn("no disk", str(check_live(self.url + "/fail")))

    def test_nobody_there(self):
        self.assertFalse(check_live("http://127.0.0.1:1/", timeout=1))
        self.assertFalse(check_live("file:///etc/passwd"))
        self.assertFalse(check_live("http://127.0.0.1:99999/"))

    def test_too_late(self):
        with mock.patch("nginx_download.health._left", side_effect=[5, TimeoutError("late")]):
            self.assertIn("late", str(check_live(self.url + "/file")))

    def run_main(self, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = main(arguments)
        return code, out.getvalue()

    def test_program(self):
        code, out = self.run_main(
            self.url + "/file",
            "--size",
            "9",
            "--server=nginx",
            "--header",
            "X-By: nginx",
            "--ranges",
        )
        self.assertEqual((code, out.splitlines()[0]), (0, f"pass: {self.url}/file"))
        code, out = self.run_main(self.url + "/file", "--size", "8", "--json")
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(out)["checks"]["size"]["status"], "fail")
