import asyncio
import contextlib
import fcntl
import gzip
import io
import json
import os
import socket
import ssl
import tempfile
import unittest
from unittest import mock

from nginx_download import MEDIA_TYPE, GrantError, asgi, wsgi
from nginx_download.descriptors import (
    KEY,
    may_be_passed,
    of_environ,
    of_scope,
    of_transport,
    own,
    unnamed,
)
from nginx_download.testing import assert_grant
from tests.sockets import open_descriptors, peer


def is_in_memory(file):
    return os.readlink(f"/proc/self/fd/{file.fileno()}").startswith("/memfd:")


class NothingStaysOpen(unittest.TestCase):
    def setUp(self):
        before = open_descriptors()
        self.addCleanup(lambda: self.assertEqual(open_descriptors(), before))


class ConnectionTests(NothingStaysOpen):
    def test_passes_one(self):
        with peer() as there, unnamed(b"one") as one, unnamed(b"two") as two:
            environ = there.environ
            self.assertTrue(of_environ(environ).pass_descriptor(one))
            self.assertFalse(of_environ(environ).pass_descriptor(two))
            self.assertEqual(there.file(), b"one")
            self.assertTrue(there.nothing())
            # the next request of the same connection
            self.assertTrue(of_environ(there.environ).pass_descriptor(two.fileno()))
            self.assertEqual(there.file(), b"two")

    def test_not_over_these(self):
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, socket.create_connection(listener.getsockname()) as tcp, peer() as there:
            with ssl.create_default_context().wrap_socket(
                there.server, server_hostname="x", do_handshake_on_connect=False
            ) as tls:
                for environ in (
                    {},
                    {"gunicorn.socket": tcp, "SERVER_PROTOCOL": "HTTP/1.1"},
                    {"gunicorn.socket": tls, "SERVER_PROTOCOL": "HTTP/1.1"},
                    {**there.environ, "SERVER_PROTOCOL": "HTTP/2.0"},
                    {**there.environ, "gunicorn.socket": object()},
                ):
                    self.assertIsNone(of_environ(environ), environ)
            self.assertIsNone(of_scope({"extensions": None}))

    def test_nobody_there(self):
        with peer() as there, unnamed(b"") as file:
            there.nginx.close()
            with self.assertLogs("nginx_download", "WARNING") as log:
                self.assertFalse(of_environ(there.environ).pass_descriptor(file))
            self.assertIn("cannot be passed", log.output[0])

    def test_uwsgi(self):
        with peer() as there, unnamed(b"one") as one:
            module = mock.Mock(connection_fd=there.server.fileno)
            with mock.patch.dict("sys.modules", uwsgi=module):
                self.assertTrue(of_environ({}).pass_descriptor(one))
            self.assertEqual(there.file(), b"one")
            with mock.patch.dict("sys.modules", uwsgi=mock.Mock(connection_fd=lambda: -1)):
                self.assertIsNone(of_environ({}))

    def test_asyncio(self):
        async def both(there, file):
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                asyncio.Protocol, there.server
            )
            with contextlib.closing(transport):
                self.assertTrue(of_transport(transport).pass_descriptor(file))
                self.assertEqual(there.file(), b"one")
                # so much that it does not all leave: the byte would come in the middle
                transport.write(b"x" * 10_000_000)
                self.assertFalse(of_transport(transport).pass_descriptor(file))
                transport.abort()

        with peer() as there, unnamed(b"one") as file:
            asyncio.run(both(there, file))


class FileTests(NothingStaysOpen):
    def test_in_memory(self):
        for content, expected in (
            (b"bytes\xff", b"bytes\xff"),
            ("Größe", "Größe".encode()),
            ((str(number) for number in range(3)), b"012"),
            ([b"a", "ß"], "aß".encode()),
            (b"", b""),
            ([], b""),
        ):
            with unnamed(content) as file:
                self.assertEqual(file.read(), expected)
                self.assertTrue(is_in_memory(file))
                self.assertTrue(may_be_passed(file))
                for change, *to in (
                    (os.pwrite, b"x", 0),
                    (os.ftruncate, 99),
                    (fcntl.fcntl, fcntl.F_ADD_SEALS, 0),
                ):
                    self.assertRaises(PermissionError, change, file.fileno(), *to)

    def test_on_disk(self):
        for content in b"x" * 9, [b"x" * 4, b"x" * 5], (b"x" for _ in range(9)):
            with unnamed(content, max_memory=8) as file:
                self.assertFalse(is_in_memory(file))
                self.assertEqual(os.fstat(file.fileno()).st_nlink, 0)
                self.assertEqual(file.read(), b"x" * 9)
        with unnamed(b"x" * 8, max_memory=8) as file:
            self.assertTrue(is_in_memory(file))

    def test_without_memfd(self):
        for error in AttributeError, OSError:
            with mock.patch("os.memfd_create", side_effect=error), unnamed("a") as file:
                self.assertFalse(is_in_memory(file))
                self.assertEqual(file.read(), b"a")

    def test_a_generator_that_fails(self):
        def lines():
            yield b"x" * 9
            raise LookupError

        for max_memory in 8, 10:
            with self.assertRaises(LookupError):
                unnamed(lines(), max_memory=max_memory)

    def test_own(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"not flushed")
            with own(file) as another:
                file.close()
                self.assertEqual(os.pread(another.fileno(), 99, 0), b"not flushed")
        reading, writing = os.pipe()
        with (
            open(reading),
            open(writing, "w"),
            tempfile.NamedTemporaryFile() as file,
            open(file.name, "wb") as written,
        ):
            for bad in reading, written:
                self.assertRaises(ValueError, own, bad)


class AnswerTests(NothingStaysOpen):
    """What grant(fd=..., content=...) answers, in WSGI and in ASGI."""

    def both(self, there=None, method="GET", **offer):
        """(headers, body) of either, which are the same."""
        answers = []
        for answer in self.of_wsgi, self.of_asgi:
            made = {name: it() if callable(it) else it for name, it in offer.items()}
            answers.append(answer(there, method, made))
            if there is not None:
                self.came.append(None if there.nothing() else there.file())
        self.assertEqual(*answers)
        return answers[0]

    def setUp(self):
        super().setUp()
        self.came = []

    def of_wsgi(self, there, method, offer):
        environ = {"REQUEST_METHOD": method, **(there.environ if there else {})}
        started = []
        app = wsgi.grant(**offer)
        if there:
            app = wsgi.PassDescriptors(app)
        body = b"".join(app(environ, lambda *start: started.append(start)))
        ((status, headers),) = started
        self.assertEqual(status, "200 OK")
        self.assertEqual(len(dict(headers)), len(headers))
        return {name.lower(): value for name, value in headers}, body

    def of_asgi(self, there, method, offer):
        connection = of_environ(there.environ) if there else None
        extensions = {KEY: {"connection": connection}} if there else {}
        scope = {"type": "http", "method": method, "extensions": extensions}
        messages = []

        async def send(message):
            messages.append(message)

        asyncio.run(asgi.grant(**offer)(scope, None, send))
        start, *parts = messages
        self.assertEqual(start["status"], 200)
        self.assertFalse(parts[-1].get("more_body"))
        self.assertTrue(all(part["more_body"] for part in parts[:-1]))
        headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return headers, b"".join(part["body"] for part in parts)

    def assert_grant(self, answer, **assertions):
        headers, body = answer
        self.assertEqual(headers["content-length"], str(len(body)))
        response = mock.Mock(
            status_code=200, headers={"Content-Type": headers["content-type"]}, content=body
        )
        del response.get_data
        return assert_grant(self, response, **assertions)

    def test_passed(self):
        with peer() as there:
            for made in (
                {"content": b"hello"},
                {"content": "hello"},
                {"content": lambda: iter(["he", b"llo"])},
                {"fd": lambda: unnamed("hello")},
            ):
                answer = self.both(there, basename="a.txt", etag='"v1"', **made)
                self.assert_grant(answer, file={"descriptor": 0}, basename="a.txt", etag='"v1"')
                self.assertEqual(self.came[-2:], [b"hello", b"hello"])
                made.clear()
            self.both(there, content=b"x" * 100_000)
            self.assertEqual(self.came[-1], b"x" * 100_000)

    def test_the_caller_closes_its_own(self):
        with peer() as there:
            with unnamed(b"hello") as file:
                app = wsgi.PassDescriptors(wsgi.grant(fd=file))
            app({"REQUEST_METHOD": "GET", **there.environ}, lambda *start: None)
            self.assertEqual(there.file(), b"hello")

    def test_not_passed(self):
        """The content is in the grant, and where it is too large the app sends it."""
        whole = {"basename": "Größe/a.csv", "headers": {"X-A": "ß"}, "modified": 0, "etag": '"v"'}
        for made in (
            {"content": "hello"},
            {"content": lambda: iter([b"hel", "lo"])},
            {"fd": lambda: unnamed("hello")},
        ):
            self.assert_grant(self.both(**made, **whole), content="hello", etag='"v"')
            for max_size in 90, 4:
                headers, body = self.both(**made, **whole, max_size=max_size)
                self.assertEqual(body, b"hello")
                self.assertEqual(
                    {**headers, "content-length": "5"},
                    {
                        "content-type": "text/csv",
                        "content-length": "5",
                        "content-disposition": 'attachment; filename="a.csv"',
                        "etag": '"v"',
                        "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT",
                        "x-a": "ß".encode().decode("latin-1"),
                    },
                )
            made.clear()

    def test_disposition(self):
        for said, expected in (
            (
                {"basename": 'a"ß.txt'},
                "attachment; filename=\"a__.txt\"; filename*=UTF-8''a%22%C3%9F.txt",
            ),
            ({"basename": "a", "attachment": False}, 'inline; filename="a"'),
            ({}, "attachment"),
            ({"attachment": False}, None),
        ):
            headers, _ = self.both(content=b"x" * 99, max_size=50, **said)
            self.assertEqual(headers.get("content-disposition"), expected)
            self.assertEqual(headers["content-length"], "99")

    def test_type(self):
        for said, expected in (
            ({"mimetype": "a/b", "charset": "utf-8"}, "a/b; charset=utf-8"),
            ({}, "application/octet-stream"),
            # of which nginx would think that it is a grant
            ({"mimetype": MEDIA_TYPE.upper() + "; q=1"}, "application/octet-stream"),
        ):
            headers, _ = self.both(content=b"x" * 99, max_size=50, **said)
            self.assertEqual(headers["content-type"], expected)
        headers, _ = self.both(content=b"x" * 99, max_size=50, encoding="gzip")
        self.assertEqual(headers["content-encoding"], "gzip")

    def test_head(self):
        with peer() as there:
            for made, size in (
                ({"content": "größe"}, "7"),
                ({"fd": lambda: unnamed("hello")}, "5"),
                ({"content": lambda: iter(["a"])}, None),
            ):
                headers, body = self.both(there, method="HEAD", mimetype="a/b", **made)
                self.assertEqual(
                    (headers["content-type"], headers.get("content-length"), body),
                    ("a/b", size, b""),
                )
            self.assertEqual(set(self.came), {None})

    def test_cannot_be_passed(self):
        """What was made is not lost."""
        for size, is_grant in (5, True), (99, False):
            with peer() as there, self.assertLogs("nginx_download"):
                there.nginx.close()
                environ = {"REQUEST_METHOD": "GET", **there.environ}
                app = wsgi.PassDescriptors(
                    wsgi.grant(content=(b"x" for _ in range(size)), max_size=50)
                )
                body = b"".join(app(environ, lambda *start: None))
            self.assertEqual(
                body,
                json.dumps({"file": {"content": "x" * 5}}, separators=(",", ":")).encode()
                if is_grant
                else b"x" * 99,
            )

    def test_refused(self):
        with tempfile.TemporaryFile() as file, open(os.devnull) as null:
            for offer in (
                {},
                {"fd": file, "content": b""},
                {"content": b"", "etag": "v1"},
                {"content": b"", "basename": "a\n"},
                {"fd": null},
            ):
                for grant in wsgi.grant, asgi.grant:
                    self.assertRaises((GrantError, ValueError), grant, **offer)

    def test_token(self):
        with peer() as there:
            for token, given, passes in (
                (None, None, True),
                (None, "x", True),
                ("secret", "secret", True),
                ("secret", "guess", False),
                ("secret", None, False),
                ("secret", "größe", False),
            ):
                environ = {"REQUEST_METHOD": "GET", **there.environ}
                if given is not None:
                    environ["HTTP_X_DOWNLOAD_TOKEN"] = given
                app = wsgi.PassDescriptors(wsgi.grant(content=b"x"), token=token)
                app(environ, lambda *start: None)
                self.assertEqual(not there.nothing(), passes, (token, given))
                if passes:
                    self.assertEqual(there.file(), b"x")

    def test_not_told_to(self):
        with peer() as there:
            app = wsgi.grant(content=b"x")
            app({"REQUEST_METHOD": "GET", **there.environ}, lambda *start: None)
            self.assertTrue(there.nothing())


class GzipTests(unittest.TestCase):
    def test_what_is_read_is_not_what_is_open(self):
        from django.core.files.base import File

        from nginx_download.django_passing import open_file

        class Decoded(File):
            def read(self, size=-1):
                return b"decoded"

        with tempfile.NamedTemporaryFile() as file:
            self.assertEqual(open_file(File(file)).fileno(), file.fileno())
            self.assertEqual(open_file(file.file).fileno(), file.fileno())
            self.assertIsNone(open_file(Decoded(file)))
            self.assertIsNone(open_file(File(io.TextIOWrapper(file.file, "utf-16"))))
            with gzip.open(file.name, "wb") as packed:
                packed.write(b"x")
            with gzip.open(file.name) as packed:
                for source in packed, io.BufferedReader(packed):
                    self.assertIsNone(open_file(source))
                    self.assertIsNone(open_file(File(source)))
