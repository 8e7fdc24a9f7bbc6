"""What apps with django-downloadview have in common: a model of the files in MEDIA_ROOT, and a view of
each kind, as its documentation has them.

To be imported when Django is set up. REMOTE (a URL) comes by the environment.
"""
import io
import os

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django_downloadview import (
    HTTPDownloadView, ObjectDownloadView, PathDownloadView, StorageDownloadView, TextIteratorIO, VirtualDownloadView,
    VirtualFile,
)


class Document(models.Model):
    name = models.CharField(max_length=100, unique=True)
    file = models.FileField()

    class Meta:
        app_label = "documents"


def make_documents():
    """One for each file, unless they are there."""
    if "documents_document" in connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        editor.create_model(Document)
    Document.objects.bulk_create(
        Document(name=name, file=name)
        for name in (str(file.relative_to(settings.MEDIA_ROOT)) for file in settings.MEDIA_ROOT.rglob("*") if file.is_file())
    )


class Documents(ObjectDownloadView):
    model = Document
    slug_field = "name"
    slug_url_kwarg = "name"


class Stored(StorageDownloadView):
    def get_path(self):
        name = super().get_path()
        # it takes a file that is not there for granted
        if not default_storage.exists(name):
            self.file_not_found_response()
        return name


class ByPath(PathDownloadView):
    def get_path(self):
        return str(settings.MEDIA_ROOT / super().get_path())


class Remote(HTTPDownloadView):
    def get_url(self):
        return os.environ["REMOTE"] + self.kwargs["path"]

    def get_basename(self):
        return self.kwargs["path"]


def lines(number):
    for line in range(number):
        yield f"line {line}\n"


class Virtual(VirtualDownloadView):
    def get_file(self):
        kind, number = self.kwargs["kind"], self.kwargs["number"]
        if kind == "stringio":
            return VirtualFile(io.StringIO("".join(lines(number))), name="made.txt")
        if kind == "generator":
            return VirtualFile(TextIteratorIO(lines(number)), name="made.txt")
        return ContentFile(bytes(range(256)) * number, name="made.bin")
