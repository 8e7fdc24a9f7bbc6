"""Around what docs/frameworks/django.md shows: settings, users, and a login of one line.

PAGE is the folder of the page's files; the views and the model are these, as they stand.
"""
import os
import sys

import django
from django.conf import settings

PAGE = os.environ["PAGE"]
sys.path.insert(0, PAGE)
settings.configure(
    SECRET_KEY="only for the test, and of no use elsewhere",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "reports"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(PAGE, "db.sqlite3")}},
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None, "reports": None},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    MEDIA_ROOT=os.environ["REPORTS"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import login, logout  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from reports.accel import accel  # noqa: E402
from reports.models import Report  # noqa: E402
from reports.urls import urlpatterns as of_the_page  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
users = {name: User.objects.create_user(name, password=name) for name in ("alice", "bob")}
Report.objects.create(pk=7, owner=users["alice"], title="Q3 report", file="2026/q3.pdf")


def log_in(request):
    login(request, users[request.GET["user"]])
    return HttpResponse("in\n")


urlpatterns = [
    path("login", log_in),
    path("logout", lambda request: HttpResponse(logout(request) or "out\n")),
    path("accel/<path:name>", accel),
    *of_the_page,
]
application = get_wsgi_application()
