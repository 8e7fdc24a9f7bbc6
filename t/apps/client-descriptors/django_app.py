"""Django that passes its files to nginx: what it makes, and what only it may read.

MEDIA_ROOT comes by the environment; who has the cookie user=alice may have the files. All views are
there twice, the second time below /files/.
"""
import io
import os
from pathlib import Path

import django
from django.conf import settings

MEDIA_ROOT = Path(os.environ["MEDIA_ROOT"])
PRIVATE = MEDIA_ROOT.parent / "private"

settings.configure(
    ALLOWED_HOSTS=["*"],
    MEDIA_ROOT=MEDIA_ROOT,
    MEDIA_URL="/media/",
    MIDDLEWARE=["nginx_download.django.GrantMiddleware", "django_app.only_alice"],
    NGINX_DOWNLOAD_DESCRIPTORS=True,
    NGINX_DOWNLOAD_PRIVATE=[PRIVATE],
    NGINX_DOWNLOAD_STORAGES={"media": MEDIA_ROOT},
    NGINX_DOWNLOAD_TOKEN="a token of your own",
    ROOT_URLCONF="django_app",
    SECRET_KEY="a secret of these tests",
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import FileResponse, HttpResponse, HttpResponseForbidden, StreamingHttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_downloadview import BytesIteratorIO, PathDownloadView, VirtualDownloadView, VirtualFile  # noqa: E402
from downloadviews import Virtual, lines  # noqa: E402
from nginx_download.django import sendfile  # noqa: E402


def only_alice(get_response):
    def middleware(request):
        if request.COOKIES.get("user") != "alice":
            return HttpResponseForbidden("not for you", content_type="text/plain")
        response = get_response(request)
        if "stopped" in request.path:
            raise RuntimeError("after the file was passed")
        response["X-Of-The-App"] = "kept"
        response.set_cookie("seen", "1")
        return response

    return middleware


class Versioned(Virtual):
    def render_to_response(self, *args, **kwargs):
        response = super().render_to_response(*args, **kwargs)
        response["ETag"] = '"v1"'
        response["Last-Modified"] = "Fri, 02 Jan 2026 00:00:00 GMT"
        return response


class Large(VirtualDownloadView):
    """16 bytes for each number."""

    def get_file(self):
        number = self.kwargs["number"]
        blocks = (b"".join(b"%015d\n" % line for line in range(at, min(at + 4096, number))) for at in range(0, number, 4096))
        return VirtualFile(BytesIteratorIO(blocks), name="large.bin")


class Private(PathDownloadView):
    def get_path(self):
        return str(PRIVATE / super().get_path())


def private(request, path):
    return sendfile(request, PRIVATE / path, basename="Größe.txt", etag='"own"')


def stored(request, path):
    return sendfile(request, MEDIA_ROOT / path)


def stopped(request):
    return sendfile(request, ContentFile(b"x" * 100, name="stopped.txt"))


def response(request):
    return FileResponse(io.BytesIO(b"hello"), filename="hello.txt", as_attachment=True)


def stream(request):
    return StreamingHttpResponse(lines(9000), content_type="text/plain")


def page(request):
    return HttpResponse(f"{os.getpid()} {len(os.listdir('/proc/self/fd'))}", content_type="text/plain")


views = [
    path("virtual/<kind>/<int:number>", Versioned.as_view()),
    path("large/<int:number>", Large.as_view()),
    path("stopped", stopped),
    path("private/<path:path>", Private.as_view()),
    path("sent/<path:path>", private),
    path("stored/<path:path>", stored),
    path("response", response),
]
urlpatterns = [*views, path("files/", include(views)), path("page", page), path("stream", stream)]

application = get_wsgi_application()
asgi = get_asgi_application()
