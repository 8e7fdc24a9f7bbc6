"""Links as Django and django-downloadview make them, and what these say of links.

Reads a JSON list of questions and writes one of answers. A question has the key and its fallbacks, and
either "path", a file's name, with "age" in seconds: the answer is a link by each way there is; or
"url", with "max_age" or null: the answer is whether django-downloadview accepts it, and whether
TimestampSigner does, for the path that is asked for.
"""
import json
import sys
import time
from unittest import mock
from urllib.parse import unquote, urlencode

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], MEDIA_URL="/media/", SECRET_KEY="unused")
django.setup()

from django.core import signing  # noqa: E402
from django.core.exceptions import PermissionDenied  # noqa: E402
from django.test import RequestFactory, override_settings  # noqa: E402
from django_downloadview.decorators import _signature_is_valid  # noqa: E402
from django_downloadview.storage import SignedFileSystemStorage  # noqa: E402


def links(name, age):
    now = time.time() - age
    with mock.patch("django.core.signing.time.time", return_value=now):
        url = SignedFileSystemStorage().url(name)
        path = url.partition("?")[0]

        def by(signer):
            return path + "?" + urlencode({"X-Signature": signer.sign(path)})

        return {
            "storage": url,
            "signer": by(signing.TimestampSigner()),
            # these are no links
            "without a time": by(signing.Signer()),
            "of another salt": by(signing.TimestampSigner(salt="another")),
            "by SHA-1": by(signing.TimestampSigner(algorithm="sha1")),
            "of another separator": by(signing.TimestampSigner(sep="!")),
            "by dumps()": path + "?" + urlencode({"X-Signature": signing.dumps(path)}),
            "of an object": path + "?" + urlencode({"X-Signature": signing.TimestampSigner().sign_object(path)}),
            "of the name": path + "?" + urlencode({"X-Signature": signing.TimestampSigner().sign(name)}),
            "of the full URL": path + "?" + urlencode({"X-Signature": signing.TimestampSigner().sign("https://example.org" + path)}),
        }


def verdicts(url, max_age):
    request = RequestFactory().get(url)
    with override_settings(DOWNLOADVIEW_URL_EXPIRATION=max_age):
        try:
            _signature_is_valid(request)
            downloadview = True
        except PermissionDenied:
            downloadview = False
    try:
        signed = signing.TimestampSigner().unsign(request.GET.get("X-Signature", ""), max_age=max_age)
    except signing.BadSignature:
        signed = None
    return {"downloadview": downloadview, "signer": signed is not None and unquote(signed) == request.path}


def answer(question):
    with override_settings(SECRET_KEY=question["key"], SECRET_KEY_FALLBACKS=question.get("fallbacks", [])):
        if "url" in question:
            return verdicts(question["url"], question["max_age"])
        return links(question["path"], question.get("age", 0))


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
