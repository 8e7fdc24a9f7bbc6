import json
import unittest

import flask
from django.http import HttpResponse, StreamingHttpResponse
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from nginx_download import MEDIA_TYPE, Grant, GrantError, asgi, wsgi
from nginx_download.testing import assert_grant

GRANT = Grant(
    {"storage": "media", "path": "q3.pdf"},
    basename="Q3.pdf",
    headers={"Cache-Control": "private"},
    cache={"ttl": 30, "tags": ["a"]},
)


class ClientTests(unittest.TestCase):
    def assert_answer(self, get, head):
        assert_grant(
            self,
            get,
            file={"storage": "media", "path": "q3.pdf"},
            basename="Q3.pdf",
            attachment=None,
            headers={"cache-control": "private", "X-Not-There": None},
            cache={"ttl": 30, "tags": ("a",)},
        )
        self.assertEqual(get.headers["Set-Cookie"], "seen=1")
        self.assertEqual(head.headers["Content-Length"], str(len(GRANT.to_json())))

    def test_flask(self):
        app = flask.Flask("tests")

        @app.get("/")
        def view():
            return wsgi.grant_response(GRANT, headers=[("Set-Cookie", "seen=1")])

        client = app.test_client()
        self.assert_answer(client.get("/"), client.head("/"))
        self.assertEqual(client.head("/").data, b"")

    def test_starlette(self):
        async def view(request):
            return asgi.grant_response(GRANT, headers=[("Set-Cookie", "seen=1")])

        client = TestClient(Starlette(routes=[Route("/", view)]))
        self.assert_answer(client.get("/"), client.head("/"))
        self.assertEqual(client.head("/").content, b"")

    def test_too_large(self):
        for module in wsgi, asgi:
            with self.assertRaises(GrantError):
                module.grant_response(GRANT, max_size=10)


class AssertGrantTests(unittest.TestCase):
    def response(self, values, **how):
        return HttpResponse(json.dumps(values), **{"content_type": MEDIA_TYPE, **how})

    def test_fails(self):
        good = {"file": {"content": "abc"}, "headers": {"A": "b"}, "size": 3}
        encoded = self.response(good)
        encoded["Content-Encoding"] = "gzip"
        stream = StreamingHttpResponse(iter([b"abc"]), content_type="text/plain")
        for response, expected, message in [
            (self.response(good, status=403), {}, "the app answered 403"),
            (self.response(good, content_type="application/json"), {}, "Content-Type is"),
            (stream, {}, "the app sends the file itself"),
            (encoded, {}, "Content-Encoding 'gzip'"),
            (self.response({"file": {}}), {}, "nginx would refuse this grant"),
            (self.response({**good, "fil": 1}), {}, "unknown field 'fil'"),
            (self.response(good), {"file": {"path": "/a"}}, "the grant's file"),
            (self.response(good), {"basename": "a"}, "the grant's basename"),
            (self.response(good), {"size": None}, "the grant's size"),
            (self.response(good), {"headers": {"A": "c"}}, "the grant's header A"),
            (self.response(good), {"headers": {"A": None}}, "the grant's header A"),
            (self.response(good), {"headers": None}, "the grant has headers"),
            (self.response(good), {"cache": {"ttl": 1}}, "the grant's cache"),
            (self.response(good), {"content": "abd"}, "b'abc' != b'abd'"),
            (self.response({"file": {"path": "/a"}}), {"content": ""}, "brings no content"),
        ]:
            with self.subTest(message):
                with self.assertRaises(self.failureException) as raised:
                    assert_grant(self, response, **expected)
                self.assertIn(message, str(raised.exception))

    def test_passes(self):
        response = self.response({"file": {"base64": "/w"}, "size": 3})
        grant = assert_grant(self, response, content=b"\xff", size=3, basename=None)
        self.assertEqual(grant.size, 3)

    def test_no_such_field(self):
        response = self.response({"file": {"path": "/a"}})
        self.assertRaises(TypeError, assert_grant, self, response, filename="a")
