"""Django with nginx_download: django-downloadview's views, and sendfile().

MEDIA_ROOT comes by the environment, as does what t/apps/shared takes; who has the cookie user=alice may
have the files. All views are there twice, the second time below /files/.
"""
import os
from itertools import count
from pathlib import Path

import django
from django.conf import settings

MEDIA_ROOT = Path(os.environ["MEDIA_ROOT"])

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": MEDIA_ROOT.parent / "db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DOWNLOADVIEW_BACKEND="nginx_download.django.GrantMiddleware",
    DOWNLOADVIEW_RULES=[{}],
    MEDIA_ROOT=MEDIA_ROOT,
    MEDIA_URL="/media/",
    MIDDLEWARE=[
        "django_downloadview.SmartDownloadMiddleware",
        "app.only_alice",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    NGINX_DOWNLOAD_SIGNING_KEY="a signing key of these tests, it is",
    NGINX_DOWNLOAD_STORAGES={"media": MEDIA_ROOT},
    NGINX_DOWNLOAD_TOKEN="a token of your own",
    ROOT_URLCONF="app",
    SECRET_KEY="a secret of these tests",
)
django.setup()

from django.core.files.storage import FileSystemStorage  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import Http404, HttpResponse, HttpResponseForbidden  # noqa: E402
from django.urls import include, path  # noqa: E402
from downloadviews import ByPath, Document, Documents, Remote, Stored, Virtual, make_documents  # noqa: E402
from nginx_download.django import SignedStorageMixin, sendfile  # noqa: E402


def only_alice(get_response):
    def middleware(request):
        if request.COOKIES.get("user") != "alice":
            return HttpResponseForbidden("not for you", content_type="text/plain")
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private, max-age=60")
        response["X-Of-The-App"] = "kept"
        if "cached" not in request.path:
            response.set_cookie("seen", "1")
        return response

    return middleware


class SignedStorage(SignedStorageMixin, FileSystemStorage):
    pass


def sent(request, path):
    name = MEDIA_ROOT / path
    if not name.is_file():
        raise Http404
    return sendfile(request, name, mimetype="text/x-own", etag='"of-the-app"')


def shown(request, path):
    document = Document.objects.get(name=path)
    return sendfile(request, document.file, attachment=False, basename='Größe "7".txt', limit_rate=0)


asked = count(1)


def cached(request, path):
    return sendfile(
        request,
        MEDIA_ROOT / path,
        headers={"X-Asked": str(next(asked)), "Cache-Control": "private, no-store"},
        cache_ttl=60,
        cache_tags=["user:alice"],
    )


def sign(request, path):
    return HttpResponse(SignedStorage().url(path), content_type="text/plain")


views = [
    path("object/<path:name>", Documents.as_view()),
    path("storage/<path:path>", Stored.as_view()),
    path("named/<path:path>", Stored.as_view(basename='Größe "7".txt')),
    path("path/<path:path>", ByPath.as_view()),
    path("http/<path:path>", Remote.as_view()),
    path("virtual/<kind>/<int:number>", Virtual.as_view()),
    path("sent/<path:path>", sent),
    path("shown/<path:path>", shown),
    path("cached/<path:path>", cached),
]
urlpatterns = [*views, path("files/", include(views)), path("sign/<path:path>", sign)]

application = get_wsgi_application()
make_documents()
