"""The views of an app: all of django-downloadview's, and one with sendfile()."""

import gzip
import io
import os
import tempfile
from datetime import datetime, timezone

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage
from django.db import models
from django.http import FileResponse
from django.urls import path
from django_downloadview import (
    BaseDownloadView,
    BytesIteratorIO,
    HTTPDownloadView,
    ObjectDownloadView,
    PathDownloadView,
    StorageDownloadView,
    TextIteratorIO,
    VirtualDownloadView,
    VirtualFile,
)
from django_downloadview.files import StorageFile

from nginx_download.django import grant, sendfile
from tests import MEDIA_ROOT


class Document(models.Model):
    file = models.FileField()
    title = models.CharField(max_length=100)
    changed = models.DateTimeField()

    class Meta:
        app_label = "tests"


class ObjectView(ObjectDownloadView):
    basename_field = "title"
    modification_time_field = "changed"

    def get_object(self):
        return Document(
            file=self.kwargs["name"],
            title='Q3 "7"\n.txt',
            changed=datetime(2026, 1, 2, tzinfo=timezone.utc),
        )


class StorageView(StorageDownloadView):
    storage = FileSystemStorage()


class Described(StorageView):
    """All that can be said of a file."""

    attachment = False
    basename = "shown.html"
    mimetype = "text/html"
    encoding = "gzip"

    def render_to_response(self, *args, **kwargs):
        response = super().render_to_response(*args, **kwargs)
        response["ETag"] = 'W/"v1"'
        response["Last-Modified"] = "Fri, 02 Jan 2026 00:00:00 GMT"
        response["Cache-Control"] = "no-store"
        response["Content-Encoding"] = "br"
        response["X-Of-The-App"] = "kept"
        response.grant_cache = {"ttl": 30, "tags": ["doc:1"]}
        response.set_cookie("seen", "1")
        return response


class Disposed(StorageView):
    """A Content-Disposition of its own."""

    def render_to_response(self, *args, **kwargs):
        response = super().render_to_response(*args, **kwargs)
        response["Content-Disposition"] = "attachment; filename=own"
        return response


class Failed(StorageView):
    def render_to_response(self, *args, **kwargs):
        response = super().render_to_response(*args, **kwargs)
        response.status_code = 410
        return response


class PathView(PathDownloadView):
    opened = []

    def get_path(self):
        return os.path.join(MEDIA_ROOT, super().get_path())

    def get_file(self):
        file = super().get_file()
        self.opened.append(file)
        return file


class Answer:
    """What requests.get() gives."""

    headers = {"Content-Length": "5", "Content-Type": "text/plain; charset=latin-1"}
    closed = False

    def iter_content(self, **how):
        return iter([b"hello"])

    def close(self):
        Answer.closed = True


class HTTPView(HTTPDownloadView):
    def get_url(self):
        return "https://files.example/" + self.kwargs["name"]

    def get_request_factory(self):
        return lambda url, **kwargs: Answer()

    def get_basename(self):
        return "theirs.txt"


class Upload(Answer):
    headers = {
        "Content-Length": "5",
        "Content-Type": "Application/vnd.nginx-download.grant+JSON; q=1",
    }


class UploadView(HTTPView):
    """A remote file that says it is a grant."""

    def get_request_factory(self):
        return lambda url, **kwargs: Upload()


class Remote(Storage):
    def url(self, name):
        return f"https://bucket.example/{name}?Signature=x"

    def size(self, name):
        return 5


class RemoteView(BaseDownloadView):
    def get_file(self):
        return StorageFile(Remote(), self.kwargs["name"])


def lines(number):
    for line in range(number):
        yield f"line {line}\n"


class Virtual(VirtualDownloadView):
    def get_basename(self):
        return "made.txt" if self.kwargs["kind"] in ("bytesio", "opened") else None

    def get_file(self):
        kind, number = self.kwargs["kind"], self.kwargs["number"]
        body = "".join(lines(number))
        if kind == "stringio":
            return VirtualFile(io.StringIO(body), name="made.txt")
        if kind == "content":
            return ContentFile(b"\xff" + body.encode(), name="made.bin")
        if kind == "bytesio":
            return io.BytesIO(body.encode())
        if kind == "opened":
            return open(os.path.join(MEDIA_ROOT, "q3.pdf"), "rb")
        if kind == "text":
            return VirtualFile(TextIteratorIO(lines(number)), name="made.txt")
        return VirtualFile(
            BytesIteratorIO(line.encode() for line in lines(number)), name="made.txt"
        )


def sent(request, name):
    return sendfile(
        request,
        os.path.join(MEDIA_ROOT, name),
        basename="Größe\n7.txt",
        attachment="inline" not in request.GET,
        mimetype="text/x-own",
        charset="utf-8",
        etag='"v1"',
        modified=datetime(2026, 1, 2, tzinfo=timezone.utc),
        headers={"X-Of-The-App": "kept", "Cache-Control": "private"},
        limit_rate=1000,
        cache_ttl=30,
        cache_tags=["user:7"],
    )


def sent_plainly(request, name):
    return sendfile(request, os.path.join(MEDIA_ROOT, name))


def sent_file(request, kind, number=0):
    if kind == "open":
        return sendfile(request, File(open(os.path.join(MEDIA_ROOT, "q3.pdf"), "rb")))
    if kind == "field":
        return sendfile(request, Document(file="q3.pdf").file, attachment=False)
    if kind == "remote":
        return sendfile(request, StorageFile(Remote(), "a b.txt"))
    return sendfile(request, ContentFile("x" * number, name="made.txt"))


FILES = {
    "disk": lambda: open(os.path.join(MEDIA_ROOT, "hello.csv"), "rb"),  # noqa: SIM115
    "temporary": tempfile.TemporaryFile,
    "named": tempfile.NamedTemporaryFile,
    "gzip": lambda: gzip.open(io.BytesIO(gzip.compress(b"hello"))),  # noqa: SIM115
}


def file_response(request, kind):
    named = {"filename": "a.csv", "as_attachment": True}
    if kind == "generator":
        return FileResponse(iter([b"hel", b"lo"]), headers={"Content-Length": 5}, **named)
    where = kind.removesuffix("-middle")
    file = FILES.get(where, io.BytesIO)()
    if where not in ("disk", "gzip"):
        file.write(b"hello")
        file.seek(2 if kind.endswith("middle") else 0)
    if kind == "unnamed":
        return FileResponse(file)
    return FileResponse(file, status=410 if kind == "failed" else 200, **named)


urlpatterns = [
    path("object/<path:name>", ObjectView.as_view()),
    path("storage/<path:path>", StorageView.as_view()),
    path("described/<path:path>", Described.as_view()),
    path("disposed/<path:path>", Disposed.as_view()),
    path("failed/<path:path>", Failed.as_view()),
    path("path/<path:path>", PathView.as_view()),
    path("http/<path:name>", HTTPView.as_view()),
    path("upload/<path:name>", UploadView.as_view()),
    path("remote/<path:name>", RemoteView.as_view()),
    path("virtual/<kind>/<int:number>", Virtual.as_view()),
    path("decorated/<path:path>", grant(StorageView.as_view(), limit_rate=7, cache_ttl=5)),
    path("sent/<path:name>", sent),
    path("sent-plainly/<path:name>", sent_plainly),
    path("file-response/<kind>", file_response),
    path("sent-file/<kind>", sent_file),
    path("sent-file/<kind>/<int:number>", sent_file),
]
