"""django-downloadview: its five views, and URLs that it signs.

MEDIA_ROOT, BACKEND (nginx, apache or lighttpd) and REMOTE (a URL) come by the environment; who has
the cookie user=alice may have the files.
"""
import os
from pathlib import Path

import django
from django.conf import settings

MEDIA_ROOT = Path(os.environ["MEDIA_ROOT"])
REMOTE = os.environ["REMOTE"]
NGINX = os.environ["BACKEND"] == "nginx"

# Where the views' files are for nginx. By X-Accel-Redirect these are URLs, by X-Sendfile folders.
MEDIA = "/protected/" if NGINX else f"{MEDIA_ROOT}/"
TO = "destination_url" if NGINX else "destination_dir"

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": MEDIA_ROOT.parent / "db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DOWNLOADVIEW_BACKEND={
        "nginx": "django_downloadview.nginx.XAccelRedirectMiddleware",
        "apache": "django_downloadview.apache.XSendfileMiddleware",
        "lighttpd": "django_downloadview.lighttpd.XSendfileMiddleware",
    }[os.environ["BACKEND"]],
    DOWNLOADVIEW_RULES=[
        {"source_url": "/media/", TO: MEDIA},  # object and storage views: by the file's URL
        {"source_dir": str(MEDIA_ROOT), TO: MEDIA},  # path views: by its path
        *([{"source_url": REMOTE, TO: "/_remote/"}] if NGINX else []),  # HTTP views
    ],
    MEDIA_ROOT=MEDIA_ROOT,
    MEDIA_URL="/media/",
    MIDDLEWARE=["app.only_alice", "django_downloadview.SmartDownloadMiddleware"],
    ROOT_URLCONF="app",
    SECRET_KEY="a secret of these tests",
)
django.setup()

from django.core.files.base import ContentFile  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, HttpResponseForbidden, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django_downloadview import VirtualDownloadView  # noqa: E402
from django_downloadview.decorators import signature_required  # noqa: E402
from django_downloadview.nginx import x_accel_redirect  # noqa: E402
from django_downloadview.storage import SignedFileSystemStorage  # noqa: E402
from downloadviews import ByPath, Documents, Remote, Stored, make_documents  # noqa: E402


def only_alice(get_response):
    def middleware(request):
        if request.COOKIES.get("user") != "alice":
            return HttpResponseForbidden("not for you", content_type="text/plain")
        response = get_response(request)
        response["Cache-Control"] = "private, max-age=60"
        response["X-Content-Type-Options"] = "nosniff"
        response["X-Of-The-App"] = "kept"
        response.set_cookie("seen", "1")
        return response

    return middleware


signed_storage = SignedFileSystemStorage()


class Virtual(VirtualDownloadView):
    def get_file(self):
        return ContentFile("made up\n" * 1000, name="virtual.txt")


def at_rate(limit_rate):
    """What DOWNLOADVIEW_RULES say, for one view."""
    return x_accel_redirect(
        Stored.as_view(), source_url="/media/", destination_url="/protected/", with_buffering=False, limit_rate=limit_rate,
    )


def signed_url(request, path):
    return HttpResponse(signed_storage.url(path), content_type="text/plain")


def headers(request):
    return JsonResponse(dict(request.headers))


urlpatterns = [
    path("object/<path:name>", Documents.as_view()),
    path("storage/<path:path>", Stored.as_view()),
    path("shown/<path:path>", Stored.as_view(attachment=False)),
    path("named/<path:path>", Stored.as_view(basename='Größe "7".txt')),
    path("path/<path:path>", ByPath.as_view()),
    path("http/<path:path>", Remote.as_view()),
    path("virtual", Virtual.as_view()),
    path("media/<path:path>", signature_required(Stored.as_view(storage=signed_storage))),
    path("sign/<path:path>", signed_url),
    path("slow/<path:path>", at_rate(300_000)),
    path("unlimited/<path:path>", at_rate(False)),  # X-Accel-Limit-Rate: off
    path("headers", headers),
]

application = get_wsgi_application()
make_documents()
