"""Tests of nginx_download, as it is installed: ``python -m unittest``, or ``python -m tests`` for TAP.

They need what the dependency group ``test`` in pyproject.toml names.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
from django.conf import settings

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "core" / "grant.schema.json"
CORPUS = ROOT / "core" / "tests" / "grants"

MEDIA_ROOT = os.path.realpath(tempfile.mkdtemp(prefix="nginx-download-tests-"))
atexit.register(shutil.rmtree, MEDIA_ROOT)

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DOWNLOADVIEW_BACKEND="nginx_download.django.GrantMiddleware",
        DOWNLOADVIEW_RULES=[{}],
        MEDIA_ROOT=MEDIA_ROOT,
        MEDIA_URL="/media/",
        MIDDLEWARE=["django_downloadview.SmartDownloadMiddleware"],
        NGINX_DOWNLOAD_STORAGES={"media": MEDIA_ROOT},
        ROOT_URLCONF="tests.urls",
        SECRET_KEY="a secret of these tests",
        USE_TZ=True,
    )
    django.setup()
