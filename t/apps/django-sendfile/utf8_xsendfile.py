"""django-sendfile2's back end xsendfile, for names that are not ASCII: Django writes a header in
Latin-1, or as a MIME word, where no server looks for a file. These are the bytes of its name."""
import os

from django.http import HttpResponse


def sendfile(request, filename, **kwargs):
    return HttpResponse(headers={"X-Sendfile": os.fsencode(filename).decode("latin-1")})
