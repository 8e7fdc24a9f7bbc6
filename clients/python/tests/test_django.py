import json
import os

import jsonschema
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.http import HttpResponse
from django.test import RequestFactory, SimpleTestCase, override_settings

from nginx_download import MAX_SIZE, MEDIA_TYPE, GrantError
from nginx_download.django import GrantMiddleware, GrantResponse, SignedStorageMixin, sendfile
from nginx_download.signing import sign_url
from nginx_download.testing import assert_grant
from tests import MEDIA_ROOT, SCHEMA
from tests.sockets import open_descriptors, peer
from tests.urls import Answer, PathView, StorageView, sent_plainly

SMART = "django_downloadview.SmartDownloadMiddleware"
FILES = {
    "q3.pdf": b"%PDF",
    "sub/größe ?#%41.txt": b"groesse",
    "archive.tar.gz": b"gz",
    "hello.csv": b"hello",
}
OWN = {"storage": "media", "path": "q3.pdf"}


def rules(*rules):
    return override_settings(DOWNLOADVIEW_RULES=list(rules))


def outer_headers(get_response):
    """A middleware like those of Django's that add header fields."""

    def middleware(request):
        response = get_response(request)
        response.headers.setdefault("X-Outer", "kept")
        response.headers["Content-Length"] = (
            len(response.content) if not response.streaming else response["Content-Length"]
        )
        response.headers.setdefault("Vary", "Cookie")
        return response

    return middleware


class GrantTestCase(SimpleTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, body in FILES.items():
            path = os.path.join(MEDIA_ROOT, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(body)
        with SCHEMA.open() as schema:
            cls.schema = jsonschema.Draft202012Validator(json.load(schema))

    def get(self, path, **how):
        # a new one, which has read the settings
        response = self.client_class().get(path, **how)
        if not response.streaming and response.headers["Content-Type"] == MEDIA_TYPE:
            self.schema.validate(json.loads(response.content))
        return response

    def assert_grant(self, path, **assertions):
        return assert_grant(self, self.get(path), **assertions)

    def assert_streams(self, path, body, **how):
        response = self.get(path, **how)
        self.assertTrue(response.streaming, response.headers)
        self.assertEqual(b"".join(response.streaming_content), body)
        return response


class DownloadviewTests(GrantTestCase):
    def test_object(self):
        self.assert_grant(
            "/object/q3.pdf",
            file=OWN,
            basename='Q3 "7" .txt',
            attachment=True,
            mimetype="text/plain",
            charset="utf-8",
            encoding=None,
            etag=None,
            modified=1767312000,
            size=4,
            headers=None,
            cache=None,
        )

    def test_storage(self):
        name = "sub/größe ?#%41.txt"
        self.assert_grant(
            "/storage/sub/größe%20%3F%23%2541.txt",
            file={"storage": "media", "path": name},
            basename="größe ?#%41.txt",
            attachment=True,
            modified=None,
            size=7,
        )

    def test_path(self):
        self.assert_grant("/path/q3.pdf", file=OWN, basename="q3.pdf", mimetype="application/pdf")
        self.assertTrue(PathView.opened[-1].closed)

    def test_no_storage(self):
        for storages in {}, {"other": os.path.join(MEDIA_ROOT, "q3")}:
            with self.subTest(storages), self.settings(NGINX_DOWNLOAD_STORAGES=storages):
                self.assert_grant("/path/q3.pdf", file={"path": f"{MEDIA_ROOT}/q3.pdf"})

    def test_innermost_storage(self):
        storages = {"media": MEDIA_ROOT, "sub": f"{MEDIA_ROOT}/sub/", "root": "/"}
        with self.settings(NGINX_DOWNLOAD_STORAGES=storages):
            self.assert_grant("/path/q3.pdf", file=OWN)
            self.assert_grant(
                "/path/sub/größe%20%3F%23%2541.txt",
                file={"storage": "sub", "path": "größe ?#%41.txt"},
            )

    def test_name_that_json_cannot_say(self):
        name = b"caf\xe9.txt"
        with open(os.path.join(MEDIA_ROOT.encode(), name), "wb") as file:
            file.write(b"latin")
        # no URL of Django's can say it either
        response = sent_plainly(RequestFactory().get("/"), os.fsdecode(name))
        self.assertEqual(b"".join(response.streaming_content), b"latin")
        response.close()

    def test_http(self):
        Answer.closed = False
        self.assert_grant(
            "/http/a%20b.txt",
            file={"url": "https://files.example/a%20b.txt"},
            basename="theirs.txt",
            mimetype="text/plain",
            charset="latin-1",
            size=None,
        )
        self.assertTrue(Answer.closed)

    def test_remote_storage(self):
        self.assert_grant(
            "/remote/a%20b.txt",
            file={"url": "https://bucket.example/a%20b.txt?Signature=x"},
            basename="a b.txt",
        )

    def test_virtual(self):
        lines = "line 0\nline 1\n"
        for kind in "stringio", "text", "bytes", "bytesio":
            with self.subTest(kind):
                self.assert_grant(
                    f"/virtual/{kind}/2",
                    file={"content": lines},
                    basename="made.txt",
                    mimetype="text/plain",
                    size=None,
                )
        grant = self.assert_grant("/virtual/content/2", content=b"\xff" + lines.encode())
        self.assertIn("base64", grant.file)
        self.assert_grant("/virtual/text/0", content="")
        self.assert_grant("/virtual/opened/0", file=OWN, basename="made.txt")

    def test_virtual_too_large(self):
        lines = "".join(f"line {line}\n" for line in range(9000)).encode()
        self.assertGreater(len(lines), MAX_SIZE)
        for kind in "stringio", "text", "bytes", "bytesio":
            with self.subTest(kind):
                response = self.assert_streams(f"/virtual/{kind}/9000", lines)
                self.assertEqual(response["Content-Type"], "text/plain; charset=utf-8")
        self.assert_streams("/virtual/content/9000", b"\xff" + lines)

    def test_virtual_just_too_large(self):
        """The content is small enough, the grant around it is not."""
        lines = "".join(f"line {line}\n" for line in range(10)).encode()
        with self.settings(NGINX_DOWNLOAD_GRANT_MAX_SIZE=len(lines) + 5):
            for kind in "stringio", "text", "bytes":
                with self.subTest(kind):
                    self.assert_streams(f"/virtual/{kind}/10", lines)
            self.assert_streams("/virtual/content/10", b"\xff" + lines)

    def test_compressed_on_the_way(self):
        middleware = [SMART, "django.middleware.gzip.GZipMiddleware"]
        with self.settings(MIDDLEWARE=middleware):
            coding = {"headers": {"Accept-Encoding": "gzip"}}
            response = self.get("/storage/q3.pdf", **coding)
            assert_grant(self, response, file=OWN, encoding=None)
            # by it, a generator is read already
            response = self.get("/virtual/text/100", **coding)
            self.assertTrue(response.streaming)
            self.assertEqual(response["Content-Encoding"], "gzip")

    def test_no_compressed_grant(self):
        middleware = ["django.middleware.gzip.GZipMiddleware", SMART]
        coding = {"headers": {"Accept-Encoding": "gzip"}}
        with self.settings(MIDDLEWARE=middleware):
            for path in (
                "/virtual/text/100",
                "/described/q3.pdf",
                "/sent/q3.pdf",
                "/sent-file/made/999",
            ):
                self.assertGreater(len(self.get(path, **coding).content), 200)
                assert_grant(self, self.get(path, **coding))
            self.assertEqual(self.get("/virtual/text/9000", **coding)["Content-Encoding"], "gzip")

    def test_description(self):
        response = self.get("/described/q3.pdf")
        assert_grant(
            self,
            response,
            file=OWN,
            basename="shown.html",
            attachment=False,
            mimetype="text/html",
            encoding="gzip",
            etag='W/"v1"',
            modified=1767312000,
            headers={
                "Cache-Control": "no-store",
                "X-Of-The-App": "kept",
                "Set-Cookie": None,
                "Content-Disposition": None,
                "Content-Length": None,
            },
            cache={"ttl": 30, "tags": ["doc:1"]},
        )
        self.assertEqual(response.cookies["seen"].value, "1")
        # it would keep nginx from remembering, which cache allows
        self.assertNotIn("Cache-Control", response.headers)

    def test_cache_control_without_ttl(self):
        middleware = [SMART, "tests.test_django.no_store"]
        with self.settings(MIDDLEWARE=middleware):
            response = self.get("/storage/q3.pdf")
        assert_grant(self, response, headers={"Cache-Control": "no-store"})
        self.assertEqual(response["Cache-Control"], "no-store")

    def test_own_disposition(self):
        headers = {"Content-Disposition": "attachment; filename=own"}
        self.assert_grant("/disposed/q3.pdf", basename=None, attachment=None, headers=headers)

    def test_encoding_of_the_name(self):
        self.assert_grant(
            "/storage/archive.tar.gz",
            encoding=None,
            basename="archive.tar.gz",
            mimetype="application/x-tar",
        )

    def test_not_ok(self):
        self.assertTrue(self.get("/failed/q3.pdf").streaming)
        self.assertEqual(self.get("/path/missing").status_code, 404)

    def test_setting_for_all(self):
        with self.settings(NGINX_DOWNLOAD_CACHE={"ttl": 9}):
            self.assert_grant("/storage/q3.pdf", cache={"ttl": 9})
            self.assert_grant("/described/q3.pdf", cache={"ttl": 30, "tags": ["doc:1"]})

    def test_decorator(self):
        with self.settings(MIDDLEWARE=[]):
            self.assert_grant("/decorated/q3.pdf", file=OWN, limit_rate=7, cache={"ttl": 5})
            self.assertTrue(self.get("/storage/q3.pdf").streaming)

    def test_as_a_middleware(self):
        own = "nginx_download.django.GrantMiddleware"
        with self.settings(MIDDLEWARE=[own, "tests.test_django.outer_headers"]):
            for path in "/storage/q3.pdf", "/sent-plainly/q3.pdf":
                response = self.get(path)
                headers = {"X-Outer": "kept", "Vary": "Cookie", "Content-Length": None}
                assert_grant(self, response, headers=headers)
                if "Content-Length" in response.headers:
                    self.assertEqual(response["Content-Length"], str(len(response.content)))
        with self.settings(MIDDLEWARE=["tests.test_django.outer_headers", own]):
            self.assert_grant("/storage/q3.pdf", headers={"X-Outer": None})

    def test_backend(self):
        with self.settings(NGINX_DOWNLOAD_BACKEND="development"):
            self.assert_streams("/storage/q3.pdf", b"%PDF")
        with self.settings(DEBUG=True):
            self.assert_streams("/storage/q3.pdf", b"%PDF")
        with self.settings(DEBUG=True, NGINX_DOWNLOAD_BACKEND="nginx"):
            self.assert_grant("/storage/q3.pdf")
        with self.settings(NGINX_DOWNLOAD_BACKEND="ngnix"):
            self.assertRaises(ImproperlyConfigured, self.get, "/storage/q3.pdf")

    def test_around_nginx(self):
        with self.settings(NGINX_DOWNLOAD_TOKEN="a secret"):
            for path in "/storage/q3.pdf", "/sent-plainly/q3.pdf":
                self.assert_streams(path, b"%PDF")
                self.assert_streams(path, b"%PDF", headers={"X-Download-Token": "a guess"})
                response = self.get(path, headers={"X-Download-Token": "a secret"})
                assert_grant(self, response, file=OWN)

    def test_a_file_that_says_it_is_a_grant(self):
        for settings in {"NGINX_DOWNLOAD_BACKEND": "development"}, {"NGINX_DOWNLOAD_TOKEN": "x"}:
            with self.settings(**settings):
                response = self.get("/upload/x")
                self.assertTrue(response.streaming)
                self.assertEqual(response["Content-Type"], "application/octet-stream")


def no_store(get_response):
    def middleware(request):
        response = get_response(request)
        response["Cache-Control"] = "no-store"
        return response

    return middleware


class RuleTests(GrantTestCase):
    def test_source_url(self):
        name = "sub/größe%20%3F%23%2541.txt"
        for destination, file in [
            ({"destination_url": "/protected/"}, {"path": "/protected/sub/größe ?#%41.txt"}),
            ({"destination_url": "/protected"}, {"path": "/protected/sub/größe ?#%41.txt"}),
            ({"destination_dir": "/srv/x"}, {"path": "/srv/x/sub/größe ?#%41.txt"}),
            ({"destination_storage": "m"}, {"storage": "m", "path": "sub/größe ?#%41.txt"}),
            (
                {"destination_url": "https://h/x/"},
                {"url": "https://h/x/sub/gr%C3%B6%C3%9Fe%20%3F%23%2541.txt"},
            ),
        ]:
            for source in {"source_url": "/media/"}, {"source_dir": MEDIA_ROOT}:
                with self.subTest(source, **destination), rules({**source, **destination}):
                    self.assert_grant(f"/storage/{name}", file=file, basename="größe ?#%41.txt")

    def test_location(self):
        with rules({"source_url": "/media/", "destination_location": "/_media/"}):
            self.assert_grant("/storage/q3.pdf", file={"location": "/_media/q3.pdf"})
            # what follows the ? would be taken for arguments
            self.assert_streams("/storage/sub/größe%20%3F%23%2541.txt", b"groesse")

    def test_remote(self):
        with rules({"source_url": "https://files.example/", "destination_url": "http://mirror/"}):
            self.assert_grant("/http/a%20b.txt", file={"url": "http://mirror/a%20b.txt"})
        with rules({"source_url": "https://bucket.example/", "destination_storage": "bucket"}):
            self.assert_grant("/remote/a%20b.txt", file={"storage": "bucket", "path": "a b.txt"})

    def test_the_first_that_fits(self):
        with rules(
            {"source_dir": "/elsewhere", "destination_dir": "/1"},
            {"source_dir": f"{MEDIA_ROOT}/q3", "destination_dir": "/2"},
            {"source_url": "/media/", "destination_dir": "/3", "limit_rate": False},
            {"cache_tags": ("all",)},
        ):
            self.assert_grant(
                "/storage/q3.pdf", file={"path": "/3/q3.pdf"}, limit_rate=0, cache=None
            )
            # which has no URL
            self.assert_grant("/path/q3.pdf", file=OWN, cache={"tags": ["all"]})
            self.assert_grant("/virtual/text/1", content="line 0\n")

    def test_none_fits(self):
        with rules({"source_dir": "/elsewhere", "destination_dir": "/1"}):
            self.assert_streams("/storage/q3.pdf", b"%PDF")
            self.assert_streams("/virtual/text/1", b"line 0\n")

    def test_a_signed_url(self):
        class Signed(SignedStorageMixin, FileSystemStorage):
            pass

        with (
            rules({"source_url": "/media/", "destination_dir": "/srv"}),
            self.settings(NGINX_DOWNLOAD_SIGNING_KEY="k"),
        ):
            view = StorageView.as_view(storage=Signed())
            response = view(RequestFactory().get("/"), path="q3.pdf")
            middleware = GrantMiddleware(source_url="/media/", destination_dir="/srv")
            granted = middleware.process_response(RequestFactory().get("/"), response)
            assert_grant(self, granted, file={"path": "/srv/q3.pdf"})

    def test_misconfigured(self):
        for rule in [
            {"source_url": "/a/"},
            {"destination_url": "/a/"},
            {"source_url": "/a/", "destination_url": "/b/", "destination_dir": "/c"},
        ]:
            self.assertRaises(ImproperlyConfigured, GrantMiddleware, **rule)


class SendfileTests(GrantTestCase):
    def test_all_of_it(self):
        self.assert_grant(
            "/sent/q3.pdf",
            file=OWN,
            basename="Größe 7.txt",
            attachment=True,
            mimetype="text/x-own",
            charset="utf-8",
            etag='"v1"',
            modified=1767312000,
            headers={"X-Of-The-App": "kept", "Cache-Control": "private"},
            limit_rate=1000,
            cache={"ttl": 30, "tags": ["user:7"]},
        )
        self.assert_grant("/sent/q3.pdf?inline", attachment=False, basename="Größe 7.txt")

    def test_nothing_but_a_path(self):
        self.assert_grant(
            "/sent-plainly/q3.pdf",
            file=OWN,
            basename=None,
            attachment=True,
            mimetype=None,
            headers=None,
            cache=None,
        )
        self.assert_grant(
            "/sent-plainly/..%2Fq3.pdf", file={"path": f"{os.path.dirname(MEDIA_ROOT)}/q3.pdf"}
        )

    def test_files(self):
        self.assert_grant("/sent-file/open", file=OWN, attachment=True)
        self.assert_grant("/sent-file/field", file=OWN, attachment=False)
        self.assert_grant(
            "/sent-file/remote", file={"url": "https://bucket.example/a%20b.txt?Signature=x"}
        )
        self.assert_grant(
            "/sent-file/made/10", content="x" * 10, basename="made.txt", mimetype=None
        )
        for size in 65500, 70000:
            self.assert_streams(f"/sent-file/made/{size}", b"x" * size)

    def test_development(self):
        with self.settings(NGINX_DOWNLOAD_BACKEND="development"):
            response = self.assert_streams("/sent/q3.pdf", b"%PDF")
            self.assertEqual(
                {name.lower(): value for name, value in response.items()},
                {
                    "content-disposition": "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe%207.txt",
                    "content-length": "4",
                    "content-type": "text/x-own; charset=utf-8",
                    "etag": '"v1"',
                    "last-modified": "Fri, 02 Jan 2026 00:00:00 GMT",
                    "x-of-the-app": "kept",
                    "cache-control": "private",
                },
            )
            response = self.assert_streams("/sent-file/field", b"%PDF")
            self.assertNotIn("Content-Disposition", response)
            response = self.assert_streams("/sent/q3.pdf?inline", b"%PDF")
            self.assertIn("inline; filename", response["Content-Disposition"])
            self.assertEqual(self.get("/sent-plainly/missing").status_code, 404)
            self.assertEqual(self.get("/sent-plainly/sub").status_code, 404)

    def test_mistakes_show_in_development_too(self):
        for backend in "nginx", "development":
            with self.settings(NGINX_DOWNLOAD_BACKEND=backend):
                request = RequestFactory().get("/")
                for said in [
                    {"etag": "v1"},
                    {"mimetype": "pdf"},
                    {"headers": {"Content-Type": "a/b"}},
                    {"headers": {"X-Accel-Redirect": "/a"}},
                    {"cache_tags": ["a\nb"]},
                    {"cache_tags": "user:7"},
                ]:
                    self.assertRaises(GrantError, sendfile, request, "/srv/a", **said)

    def test_response(self):
        response = self.get("/sent/q3.pdf")
        self.assertIsInstance(response, GrantResponse)
        self.assertIsInstance(response, HttpResponse)
        self.assertEqual(response.grant.basename, "Größe 7.txt")
        self.assertEqual(response["Content-Type"], MEDIA_TYPE)


class SignedStorageTests(SimpleTestCase):
    def test_url(self):
        class Signed(SignedStorageMixin, FileSystemStorage):
            pass

        with self.settings(NGINX_DOWNLOAD_SIGNING_KEY="k", NGINX_DOWNLOAD_URL_EXPIRATION=60):
            url = Signed().url("sub/größe ?.txt")
        path, _, query = url.partition("?")
        self.assertEqual(path, "/media/sub/gr%C3%B6%C3%9Fe%20%3F.txt")
        expires = int(query.split("&")[0].removeprefix("expires="))
        self.assertEqual(url, sign_url(path, "k", expires=expires))


class DescriptorTests(GrantTestCase):
    """Files that are passed to nginx open."""

    own = "nginx_download.django.GrantMiddleware"
    lines = "".join(f"line {line}\n" for line in range(9000)).encode()

    def setUp(self):
        super().setUp()
        settings = self.settings(
            NGINX_DOWNLOAD_DESCRIPTORS=True,
            NGINX_DOWNLOAD_STORAGES={"media": MEDIA_ROOT},
            NGINX_DOWNLOAD_PRIVATE=[f"{MEDIA_ROOT}/sub"],
        )
        settings.enable()
        self.addCleanup(settings.disable)
        before = open_descriptors()
        self.addCleanup(lambda: self.assertEqual(open_descriptors(), before))
        pair = peer()
        self.there = pair.__enter__()
        self.addCleanup(pair.__exit__, None, None, None)

    def get(self, path, **how):
        return super().get(path, **self.there.environ, **how)

    def assert_passes(self, path, body, **assertions):
        self.assert_grant(path, file={"descriptor": 0}, size=None, **assertions)
        self.assertEqual(self.there.file(), body)
        self.assertTrue(self.there.nothing())

    def test_virtual(self):
        for kind in "stringio", "text", "bytes", "bytesio":
            for number, body in (2, b"line 0\nline 1\n"), (9000, self.lines), (0, b""):
                with self.subTest(kind, number=number):
                    self.assert_passes(
                        f"/virtual/{kind}/{number}",
                        body,
                        basename="made.txt",
                        attachment=True,
                        mimetype="text/plain",
                        charset="utf-8",
                    )
        self.assert_passes("/virtual/content/9000", b"\xff" + self.lines, basename="made.bin")

    def test_what_the_view_says(self):
        with self.settings(MIDDLEWARE=[SMART, "tests.test_django.etag"]):
            self.assert_passes(
                "/virtual/text/1",
                b"line 0\n",
                etag='"v1"',
                modified=1767312000,
                headers={"Cache-Control": "no-store"},
            )

    def test_storages_first(self):
        self.assert_grant("/storage/q3.pdf", file=OWN)
        self.assert_grant("/sent/q3.pdf", file=OWN)
        self.assertTrue(self.there.nothing())

    def test_private(self):
        name = "sub/größe%20%3F%23%2541.txt"
        said = {"basename": "größe ?#%41.txt"}
        self.assert_passes(f"/storage/{name}", b"groesse", **said)
        self.assert_passes(f"/path/{name}", b"groesse", **said)
        self.assert_passes(f"/object/{name}", b"groesse")
        self.assertTrue(PathView.opened[-1].closed)
        self.assert_passes(f"/sent-plainly/{name}", b"groesse", **said)
        self.assert_passes(f"/sent/{name}", b"groesse", basename="Größe 7.txt", etag='"v1"')
        self.assertEqual(self.get("/sent-plainly/sub/missing").status_code, 404)
        self.assertEqual(self.get("/sent-plainly/sub/..%2Fmissing").status_code, 200)
        with self.settings(NGINX_DOWNLOAD_STORAGES={"all": "/", "sub": f"{MEDIA_ROOT}/sub"}):
            self.assert_passes(f"/storage/{name}", b"groesse", **said)
        with self.settings(NGINX_DOWNLOAD_PRIVATE=["/"], NGINX_DOWNLOAD_STORAGES={}):
            self.assert_passes("/storage/q3.pdf", b"%PDF")

    def test_private_but_not_passed(self):
        with self.settings(NGINX_DOWNLOAD_DESCRIPTORS=False):
            name = "sub/größe%20%3F%23%2541.txt"
            self.assert_grant(f"/storage/{name}", content="groesse")
            self.assert_streams(f"/sent-plainly/{name}", b"groesse")
            self.assertTrue(self.there.nothing())

    def test_sendfile(self):
        for number in 10, 70000:
            self.assert_passes(f"/sent-file/made/{number}", b"x" * number, basename="made.txt")

    def test_file_response(self):
        with self.settings(MIDDLEWARE=[self.own, "tests.test_django.outer_headers"]):
            for kind in "bytesio", "temporary", "named", "disk":
                with self.subTest(kind):
                    self.assert_passes(
                        f"/file-response/{kind}",
                        b"hello",
                        mimetype="text/csv",
                        attachment=None,
                        headers={
                            "Content-Disposition": 'attachment; filename="a.csv"',
                            "X-Outer": "kept",
                            "Content-Length": None,
                        },
                    )
            self.assert_passes("/file-response/unnamed", b"hello", attachment=False)
            # it begins in the middle, has no end, is packed, or not all right
            self.assert_streams("/file-response/middle", b"llo")
            self.assert_streams("/file-response/temporary-middle", b"llo")
            self.assert_streams("/file-response/generator", b"hello")
            self.assert_streams("/file-response/gzip", b"hello")
            self.assertEqual(self.get("/file-response/failed").status_code, 410)
            self.assertTrue(self.there.nothing())
            with self.settings(NGINX_DOWNLOAD_DESCRIPTORS=False):
                self.assert_streams("/file-response/bytesio", b"hello")
        with self.settings(MIDDLEWARE=[self.own, "django.middleware.gzip.GZipMiddleware"]):
            response = self.get("/file-response/bytesio", headers={"Accept-Encoding": "gzip"})
            self.assertEqual(response["Content-Encoding"], "gzip")
        self.assertTrue(self.there.nothing())

    def test_too_much(self):
        """It may have no end."""
        with self.settings(NGINX_DOWNLOAD_MAX_MADE=100_000):
            for kind in "text", "bytes", "stringio":
                self.assert_passes(f"/virtual/{kind}/9000", self.lines)
        for limit in 80_000, 10:
            with self.settings(NGINX_DOWNLOAD_MAX_MADE=limit):
                for kind in "text", "bytes", "stringio", "bytesio":
                    self.assert_streams(f"/virtual/{kind}/9000", self.lines)
                self.assert_streams("/sent-file/made/90000", b"x" * 90000)
        with self.settings(NGINX_DOWNLOAD_MAX_MADE=4, MIDDLEWARE=[self.own]):
            self.assert_streams("/file-response/bytesio", b"hello")
        self.assertTrue(self.there.nothing())

    def test_on_disk(self):
        for limit, memory in (1000, False), (1_000_000, True):
            with self.settings(NGINX_DOWNLOAD_MAX_MEMORY=limit):
                self.assert_grant("/virtual/text/9000", file={"descriptor": 0})
            fd = self.there.descriptor()
            self.assertEqual(os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:"), memory)
            os.close(fd)

    def test_cannot_be_passed(self):
        self.there.nginx.close()
        name = "sub/größe%20%3F%23%2541.txt"
        with self.assertLogs("nginx_download", "WARNING"):
            for kind in "text", "bytes", "stringio", "bytesio":
                self.assert_streams(f"/virtual/{kind}/9000", self.lines)
                self.assert_grant(f"/virtual/{kind}/1", content="line 0\n")
            self.assert_grant(f"/path/{name}", content="groesse")
            self.assert_streams(f"/sent-plainly/{name}", b"groesse")
            self.assert_grant("/sent-file/made/9", content="x" * 9)
            self.assert_streams("/sent-file/made/90000", b"x" * 90000)
            with self.settings(MIDDLEWARE=[self.own]):
                self.assert_streams("/file-response/bytesio", b"hello")
                self.assert_streams("/file-response/temporary", b"hello")

    def test_only_when_told_to(self):
        for told in (
            {"NGINX_DOWNLOAD_DESCRIPTORS": False},
            {"NGINX_DOWNLOAD_BACKEND": "development"},
            {"NGINX_DOWNLOAD_TOKEN": "a secret"},
            {"DEBUG": True},
        ):
            with self.settings(**told):
                self.get("/virtual/text/9000", headers={"X-Download-Token": "a guess"}).close()
                self.get("/sent-file/made/9").close()
                self.assertTrue(self.there.nothing(), told)
        with self.settings(NGINX_DOWNLOAD_TOKEN="a secret"):
            response = self.get("/virtual/text/1", headers={"X-Download-Token": "a secret"})
            assert_grant(self, response, file={"descriptor": 0})
            self.assertEqual(self.there.file(), b"line 0\n")

    def test_head(self):
        for path in "/virtual/text/1", "/virtual/stringio/9000", "/sent-file/made/9":
            response = self.client_class().head(path, **self.there.environ)
            self.assertEqual(response.status_code, 200)
            response.close()
        self.assertTrue(self.there.nothing())

    def test_rules(self):
        with rules({"source_url": "/media/", "destination_dir": "/srv"}):
            self.assert_streams("/virtual/text/1", b"line 0\n")
        self.assertTrue(self.there.nothing())

    def test_one_for_a_response(self):
        with self.settings(MIDDLEWARE=[SMART, "tests.test_django.twice"]):
            self.assert_grant("/sent-file/made/9", content="x" * 9)
        os.close(self.there.descriptor())
        self.assertTrue(self.there.nothing())


def etag(get_response):
    def middleware(request):
        response = get_response(request)
        response["ETag"] = '"v1"'
        response["Last-Modified"] = "Fri, 02 Jan 2026 00:00:00 GMT"
        response["Cache-Control"] = "no-store"
        return response

    return middleware


def twice(get_response):
    def middleware(request):
        get_response(request)
        return get_response(request)

    return middleware
