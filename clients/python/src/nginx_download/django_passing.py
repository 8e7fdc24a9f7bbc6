"""Which of Django's files are passed to nginx open, and how. See `nginx_download.descriptors`."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.http import HttpRequest
from django.utils.encoding import force_bytes

from nginx_download.descriptors import (
    MAX_MEMORY,
    Connection,
    may_be_passed,
    of_environ,
    of_scope,
    unnamed,
)


def connection_of(request: HttpRequest) -> Connection | None:
    """Where files can be passed for this request, which is known to come from nginx.

    The answer to HEAD has no body, and so no grant that a descriptor would belong to.
    """
    if not getattr(settings, "NGINX_DOWNLOAD_DESCRIPTORS", False) or request.method == "HEAD":
        return None
    scope = getattr(request, "scope", None)
    return of_environ(request.META) if scope is None else of_scope(scope)


def pass_file(connection: Connection | None, source: str | io.FileIO | File[Any]) -> bool:
    """Passes a file: a path, one that is open, or what else Django has. If that cannot be, it is as
    it was before."""
    if connection is None:
        return False
    if isinstance(source, str):
        try:
            with open(source, "rb", buffering=0) as opened:
                return may_be_passed(opened) and connection.pass_descriptor(opened)
        except OSError:
            return False
    if (raw := open_file(source)) is not None:
        return connection.pass_descriptor(raw)
    if not source.seekable():
        return False
    made, whole = collect(chunks_of(source))
    with made:
        if whole and connection.pass_descriptor(made):
            return True
    source.seek(0)
    return False


def open_file(source: Any) -> io.FileIO | None:
    """The file that is open on disk, if ``source`` is this and nothing else: what is read from a
    GzipFile is not what its descriptor leads to, nor need it be with a File that reads in a way of
    its own."""
    if isinstance(source, File):
        if type(source).chunks is not File.chunks or type(source).read is not File.read:
            return None
        source = vars(source).get("file")
    if isinstance(source, tempfile._TemporaryFileWrapper):
        source = source.file
    if isinstance(source, (io.BufferedReader, io.BufferedRandom)):
        if isinstance(source, io.BufferedRandom):
            source.flush()
        source = source.raw
    if not isinstance(source, io.FileIO) or source.closed or not may_be_passed(source):
        return None
    return source


def collect(chunks: Iterator[bytes]) -> tuple[IO[bytes], bool]:
    """A file without a name with what these make, and whether that is all: without end it is not."""
    limit = max_made()
    whole = True

    def until_the_limit() -> Iterable[bytes]:
        nonlocal whole
        size = 0
        for chunk in chunks:
            yield chunk
            size += len(chunk)
            if size > limit:
                whole = False
                return

    max_memory = getattr(settings, "NGINX_DOWNLOAD_MAX_MEMORY", MAX_MEMORY)
    return unnamed(until_the_limit(), max_memory=max_memory), whole


def max_made() -> int:
    """What is made for a request is collected up to this size."""
    return int(getattr(settings, "NGINX_DOWNLOAD_MAX_MADE", 1 << 30))


def chunks_of(file: Any) -> Iterator[bytes]:
    """What is in it; a view may also give what is no File of Django's."""
    return map(force_bytes, file.chunks() if hasattr(file, "chunks") else file)
