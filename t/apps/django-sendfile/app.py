"""django-sendfile2.

MEDIA_ROOT and SENDFILE_BACKEND come by the environment; who has the cookie user=alice may have the
files.
"""
import os
from pathlib import Path

import django
from django.conf import settings

MEDIA_ROOT = Path(os.environ["MEDIA_ROOT"])

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[],
    ROOT_URLCONF="app",
    SECRET_KEY="a secret of these tests",
    SENDFILE_BACKEND=os.environ["SENDFILE_BACKEND"],
    SENDFILE_ROOT=MEDIA_ROOT,
    SENDFILE_URL="/protected",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponseForbidden, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django_sendfile import sendfile  # noqa: E402


def files(request, name, **how):
    if request.COOKIES.get("user") != "alice":
        return HttpResponseForbidden("not for you", content_type="text/plain")
    response = sendfile(request, MEDIA_ROOT / name, **how)
    response["Cache-Control"] = "private, max-age=60"
    response["X-Of-The-App"] = "kept"
    response["ETag"] = '"of-the-app"'
    response.set_cookie("seen", "1")
    return response


def headers(request):
    return JsonResponse(dict(request.headers))


urlpatterns = [
    path("files/<path:name>", files),
    path("saved/<path:name>", files, {"attachment": True}),
    path("named/<path:name>", files, {"attachment": True, "attachment_filename": 'Größe "7".txt'}),
    path("headers", headers),
]

application = get_wsgi_application()
