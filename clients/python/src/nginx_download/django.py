"""Grants from Django: `sendfile` for views, `GrantMiddleware` for django-downloadview.

Settings, none of which is required:

``NGINX_DOWNLOAD_BACKEND``
    ``"nginx"``: nginx sends the files. ``"development"``: Django does. By default the latter if
    DEBUG is on.

``NGINX_DOWNLOAD_STORAGES``
    nginx's storages and their directories as Django sees them, ``{"media": MEDIA_ROOT}``. A file
    below one of these is granted by storage and path, any other by its absolute path, which a
    ``download_rule`` has to cover.

``NGINX_DOWNLOAD_TOKEN``
    A secret that nginx sends along, by ``proxy_set_header X-Download-Token ...``. Who comes without
    it, and so around nginx, gets the file from Django instead of a grant.

``NGINX_DOWNLOAD_GRANT_MAX_SIZE``
    As nginx's ``download_grant_max_size``; 64 KiB by default.

``NGINX_DOWNLOAD_CACHE``
    The ``cache`` of all grants that do not have one of their own: ``{"ttl": 30}``.

``NGINX_DOWNLOAD_DESCRIPTORS``
    True: the nginx that gets grants has ``download_descriptors``. Files that are in memory, or made for
    the request, are passed to it open, if the server hands the unix socket to the app.

``NGINX_DOWNLOAD_PRIVATE``
    Folders that nginx may not enter: their files are passed open as well.

``NGINX_DOWNLOAD_MAX_MEMORY``
    What is made for a request and larger than this is on disk while nginx sends it: 16 MiB.

``NGINX_DOWNLOAD_MAX_MADE``
    What is made for a request and larger than this is streamed by Django: 1 GiB.
"""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import Message
from functools import wraps
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.utils.encoding import iri_to_uri
from django.utils.http import http_date, parse_http_date_safe

from nginx_download.descriptors import Connection, read, up_to
from nginx_download.django_passing import (
    chunks_of,
    collect,
    connection_of,
    max_made,
    open_file,
    pass_file,
)
from nginx_download.grants import (
    MAX_SIZE,
    MEDIA_TYPE,
    Cache,
    Grant,
    GrantTooLarge,
    content,
    is_grant,
    is_media_type,
    may_be_header,
)
from nginx_download.signing import sign_url

if TYPE_CHECKING:
    _GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Where a file is, as a grant says it.
_Place = dict[str, str | int]
_PASSED: _Place = {"descriptor": 0}

__all__ = ["GrantMiddleware", "GrantResponse", "SignedStorageMixin", "grant", "sendfile"]


class GrantResponse(HttpResponse):
    """A grant. What is said of the file by header fields of the response is said in the grant.

    Cookies stay on the response: nginx passes them on.
    """

    def __init__(self, grant: Grant, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content_type=MEDIA_TYPE)
        self._file_headers: dict[str, str] = {}
        self._grant = grant
        for name, value in {**(headers or {}), **(grant.headers or {})}.items():
            self.headers[name] = value
        self.take_headers()

    @property
    def grant(self) -> Grant:
        """What it grants."""
        return self._grant

    def take_headers(self) -> None:
        """Takes the response's header fields into the grant; to be called when it has all of them."""
        if self._grant.cache and self._grant.cache.get("ttl") is not None:
            # Whether the decision may be remembered is said by cache, and no-store would overrule
            # it; this is what browsers may do.
            for name in ("Cache-Control", "Expires"):
                if name in self.headers:
                    self._file_headers[name] = self.headers[name]
                    del self.headers[name]
        described = self._grant.basename is not None or self._grant.attachment is not None
        headers = [*self._file_headers.items(), *self.headers.items()]
        kept = {
            name: value
            for name, value in headers
            if may_be_header(name) and not (described and name.lower() == "content-disposition")
        }
        values = {**self._grant.as_dict(), "headers": kept or None}
        self._grant = Grant.from_dict(values)
        self.content = self._grant.to_json(max_size=_max_size())
        if "Content-Length" in self.headers:
            self.headers["Content-Length"] = str(len(self.content))


def sendfile(
    request: HttpRequest,
    file: str | os.PathLike[str] | File[Any],
    *,
    basename: str | None = None,
    attachment: bool = True,
    mimetype: str | None = None,
    charset: str | None = None,
    encoding: str | None = None,
    etag: str | None = None,
    modified: int | datetime | None = None,
    headers: Mapping[str, str] | None = None,
    limit_rate: int | None = None,
    limit_rate_after: int | None = None,
    cache_ttl: int | None = None,
    cache_tags: Sequence[str] = (),
) -> HttpResponseBase:
    """The response of a view that lets nginx send a file: a path, or a File of Django's.

        @login_required
        def report(request, pk):
            report = get_object_or_404(Report, pk=pk, owner=request.user)
            return sendfile(request, report.file, basename=f"{report.title}.pdf")

    In development, or if the request comes around nginx, the response has the file in it. So it
    does if the file is nowhere but in memory, too large for a grant, and cannot be passed open.
    ``limit_rate`` and ``cache_*`` do nothing then.
    """
    source = file if isinstance(file, File) else os.path.abspath(file)
    name = basename or _name_of(source)
    said = _without_none(
        basename=_one_line(basename) if basename else None,
        attachment=attachment,
        mimetype=mimetype,
        charset=charset,
        encoding=encoding,
        etag=etag,
        modified=int(modified.timestamp()) if isinstance(modified, datetime) else modified,
        limit_rate=limit_rate,
        limit_rate_after=limit_rate_after,
        cache=_cache(_without_none(ttl=cache_ttl, tags=cache_tags or None)),
    )
    # what is wrong is wrong in development, too
    Grant({"content": ""}, headers=headers, **said)
    if takes_grants(request):
        place = _place(source)
        if place is None:
            if "basename" not in said and name:
                said["basename"] = _one_line(name)
            if pass_file(connection_of(request), _local_path(source) or source):
                place = _PASSED
        if place is not None:
            if isinstance(source, File):
                _close(source)
            _keep_uncompressed(request)
            return GrantResponse(Grant(place, **said), headers=headers)
        if isinstance(source, File) and (body := _read(source, _max_size())) is not None:
            try:
                response = GrantResponse(Grant(content(body), **said), headers=headers)
            except GrantTooLarge:
                source.seek(0)
            else:
                _close(source)
                _keep_uncompressed(request)
                return response
    return _streamed(source, name, said, headers or {})


def _streamed(
    source: str | File[Any], name: str, said: Mapping[str, Any], headers: Mapping[str, str]
) -> FileResponse:
    """What nginx would send, from Django."""
    try:
        opened: Any = source if isinstance(source, File) else open(source, "rb")  # noqa: SIM115
        if isinstance(opened.read(0), str):
            # FileResponse would wait for b"" at its end
            opened = io.BytesIO(opened.read().encode())
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Http404(str(error)) from error
    response = FileResponse(opened, as_attachment=said["attachment"], filename=_one_line(name))
    if not said["attachment"] and "basename" not in said:
        del response.headers["Content-Disposition"]
    mimetype = said.get("mimetype") or response.headers["Content-Type"]
    charset = said.get("charset")
    response.headers["Content-Type"] = f"{mimetype}; charset={charset}" if charset else mimetype
    if said.get("encoding", "identity") != "identity":
        response.headers["Content-Encoding"] = said["encoding"]
    if "etag" in said:
        response.headers["ETag"] = said["etag"]
    if "modified" in said:
        response.headers["Last-Modified"] = http_date(said["modified"])
    for field, value in headers.items():
        response.headers[field] = value
    return response


def takes_grants(request: HttpRequest) -> bool:
    """Is it nginx who asks, and will it send the file?"""
    backend = getattr(settings, "NGINX_DOWNLOAD_BACKEND", None)
    if backend not in (None, "nginx", "development"):
        raise ImproperlyConfigured(
            f'NGINX_DOWNLOAD_BACKEND is "nginx" or "development", not {backend!r}'
        )
    if (backend or ("development" if settings.DEBUG else "nginx")) == "development":
        return False
    token = getattr(settings, "NGINX_DOWNLOAD_TOKEN", None)
    return not token or constant_time_compare(request.headers.get("X-Download-Token", ""), token)


def _keep_uncompressed(request: HttpRequest) -> None:
    """nginx takes no compressed grants. This is where GZipMiddleware looks, and others of its kind."""
    request.META.pop("HTTP_ACCEPT_ENCODING", None)


# --- django-downloadview ---------------------------------------------------------------------


class GrantMiddleware:
    """Turns every DownloadResponse of django-downloadview into a grant.

    By its own middleware::

        MIDDLEWARE = ["django_downloadview.SmartDownloadMiddleware", ...]
        DOWNLOADVIEW_BACKEND = "nginx_download.django.GrantMiddleware"
        DOWNLOADVIEW_RULES = [{}]

    or in MIDDLEWARE itself. First in the list, it sees the header fields that all the others add.

    A rule may say where the files are for nginx, instead of NGINX_DOWNLOAD_STORAGES:

    - ``source_url``, ``source_dir``: it is for files whose URL, or path, begins so. One without
      either is for all files.
    - ``destination_dir``, or ``destination_url`` with a path: takes the place of the source; nginx
      finds it by a ``download_rule``. With ``http://`` or ``https://``: a URL below a storage's
      ``url=``.
    - ``destination_location``: an internal URI below a storage's ``location=``.
    - ``destination_storage``: the name of a storage.
    - ``limit_rate``, ``limit_rate_after``, ``cache_ttl``, ``cache_tags``: as in a grant;
      ``response.grant_cache`` of a view wins over the latter two.

    The first rule that fits counts. A file that is in memory, or made as it is read, is passed open
    (NGINX_DOWNLOAD_DESCRIPTORS), or else sent along in the grant if it is small enough, by a rule
    without source; others are left to Django. In MIDDLEWARE it passes the file of a FileResponse, too,
    if that is open on disk or a BytesIO.
    """

    sync_capable = True
    async_capable = False

    def __init__(
        self,
        get_response: _GetResponse | None = None,
        source_dir: str | os.PathLike[str] | None = None,
        source_url: str | None = None,
        destination_url: str | None = None,
        destination_dir: str | os.PathLike[str] | None = None,
        destination_location: str | None = None,
        destination_storage: str | None = None,
        limit_rate: int | None = None,
        limit_rate_after: int | None = None,
        cache_ttl: int | None = None,
        cache_tags: Sequence[str] = (),
    ) -> None:
        self.get_response = get_response
        self.source_dir = os.fspath(source_dir) if source_dir is not None else None
        self.source_url = source_url
        self.options = _without_none(
            # django-downloadview's False: no limit
            limit_rate=None if limit_rate is None else int(limit_rate),
            limit_rate_after=limit_rate_after,
        )
        self.cache = _without_none(ttl=cache_ttl, tags=cache_tags or None)
        self._to = _destination(
            _without_none(
                destination_url=destination_url,
                destination_dir=None if destination_dir is None else os.fspath(destination_dir),
                destination_location=destination_location,
                destination_storage=destination_storage,
            )
        )
        has_source = self.source_dir is not None or self.source_url is not None
        if has_source != (self._to is not None):
            raise ImproperlyConfigured(
                "a rule has a source (source_url, source_dir) and a destination "
                "(destination_url, _dir, _location, _storage), or neither"
            )

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        assert self.get_response is not None
        return self.process_response(request, self.get_response(request))

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response, or a grant in its stead."""
        if isinstance(response, GrantResponse):
            response.take_headers()
        elif _is_download(response):
            return self.process_download_response(request, response)
        elif isinstance(response, FileResponse):
            return self._passed_file(request, response) or response
        return response

    def process_download_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """The grant for a DownloadResponse; the response itself if there is none."""
        _disarm(response)
        granted = self._grant_for(request, response)
        if granted is not None:
            _close(response.file)
            _keep_uncompressed(request)
            return granted
        return response  # type: ignore[no-any-return]

    def _grant_for(self, request: HttpRequest, response: Any) -> GrantResponse | None:
        if response.status_code != 200 or not takes_grants(request):
            return None
        if self._to is not None:
            place = self._moved(response.file)
        else:
            place = _place(response.file)
        if place is not None:
            return self._granted(response, place)
        if self._to is not None:
            return None
        return self._granted_content(response, connection_of(request))

    def _moved(self, file: File[Any]) -> _Place | None:
        """Where the rule leads for this file."""
        assert self._to is not None
        url = _attribute(file, "url")
        if self.source_url and url and url.startswith(self.source_url):
            return self._to(url[len(self.source_url) :])
        path = _local_path(file)
        if self.source_dir and path:
            rest = os.path.relpath(path, self.source_dir)
            if rest.partition(os.sep)[0] != os.pardir:
                return self._to(quote(rest))
        return None

    def _granted_content(
        self, response: Any, connection: Connection | None
    ) -> GrantResponse | None:
        """A file that is in memory, made as it is read, or nowhere that nginx could open it."""
        opened = _local_path(response.file) or open_file(response.file)
        if connection is not None and opened is not None:
            if pass_file(connection, opened):
                return self._granted(response, _PASSED)
            connection = None
        limit = _max_size()
        size = _size_of(response)
        if size is not None and size > (limit if connection is None else max_made()):
            return None
        if size is None and "Content-Encoding" in response:
            # Something reads along, and would miss what is read here.
            return None
        chunks = chunks_of(response.file)
        if connection is not None:
            made, whole = collect(chunks)
            if whole and connection.pass_descriptor(made):
                made.close()
                return self._granted(response, _PASSED)
            chunks = itertools.chain(read(made), chunks)
        start, whole = up_to(chunks, limit)
        if whole:
            with suppress(GrantTooLarge):
                return self._granted(response, content(b"".join(start)))
        response.streaming_content = itertools.chain(start, chunks)
        return None

    def _passed_file(self, request: HttpRequest, response: FileResponse) -> GrantResponse | None:
        """A grant for the file of a FileResponse, if it is one that can be passed open."""
        source: Any = response.file_to_stream
        if (
            self._to is not None
            or response.status_code != 200
            or "Content-Encoding" in response
            or source is None
            or not takes_grants(request)
            or (connection := connection_of(request)) is None
        ):
            return None
        # it begins where the file stands, nginx at its beginning
        if (opened := open_file(source)) is not None and source.tell() == 0:
            passed = pass_file(connection, opened)
        elif isinstance(source, io.BytesIO) and source.tell() == 0:
            made, whole = collect(iter([source.getvalue()]))
            with made:
                passed = whole and connection.pass_descriptor(made)
        else:
            return None
        if not passed:
            return None
        source.close()
        _keep_uncompressed(request)
        return self._describe(response, _PASSED, _said_by_header(response))

    def _granted(self, response: Any, place: _Place) -> GrantResponse:
        return self._describe(response, place, _said_by(response, place))

    def _describe(self, response: Any, place: _Place, said: dict[str, Any]) -> GrantResponse:
        said = {**said, **self.options}
        own = getattr(response, "grant_cache", None)
        said["cache"] = _cache(self.cache if own is None else own)
        headers = {name: value for name, value in response.items() if may_be_header(name)}
        if "attachment" in said:
            headers.pop("Content-Disposition", None)
        granted = GrantResponse(Grant(place, **_without_none(**said)), headers=headers)
        granted.cookies = response.cookies
        return granted


def grant(view: Callable[..., HttpResponseBase], **options: Any) -> Callable[..., HttpResponseBase]:
    """The view, with a `GrantMiddleware` of its own: ``grant(Download.as_view(), cache_ttl=30)``."""
    middleware = GrantMiddleware(**options)

    @wraps(view)
    def granted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return middleware.process_response(request, view(request, *args, **kwargs))

    return granted


def _is_download(response: HttpResponseBase) -> bool:
    try:
        from django_downloadview.response import DownloadResponse
    except ImportError:
        return False
    return isinstance(response, DownloadResponse)


def _disarm(response: Any) -> None:
    """What is streamed is a file. Should it say, by the word of whoever uploaded it, that it is a
    grant, ``download_intercept grant`` would believe it."""
    if is_grant(response.get("Content-Type", "")):
        response["Content-Type"] = "application/octet-stream"


def _destination(
    given: Mapping[str, str],
) -> Callable[[str], _Place | None] | None:
    """From the part of a URL that follows the source to where nginx finds the file."""
    if len(given) > 1:
        raise ImproperlyConfigured(f"a rule has one destination, not {', '.join(given)}")
    for name, value in given.items():
        kind = name.removeprefix("destination_")
        if kind == "url" and "://" in value:
            return lambda rest: {"url": _joined(value, iri_to_uri(rest))}
        # of what comes after the path, a signature say, nginx's directories know nothing
        if kind == "storage":
            return lambda rest: {"storage": value, "path": _path_of(rest).lstrip("/")}
        if kind == "location":
            return lambda rest: _location(_joined(value, _path_of(rest)))
        return lambda rest: {"path": _joined(value, _path_of(rest))}
    return None


def _location(uri: str) -> _Place | None:
    """A question mark in a location's URI begins its arguments, and cannot be escaped."""
    return None if "?" in uri else {"location": uri}


def _path_of(url: str) -> str:
    return unquote(url.partition("?")[0])


def _joined(base: str, rest: str) -> str:
    return f"{base.rstrip('/')}/{rest.lstrip('/')}"


def _said_by(response: Any, place: _Place) -> dict[str, Any]:
    """What a DownloadResponse says of its file, in a grant's words."""
    described = response.get("Content-Disposition") == response.default_headers.get(
        "Content-Disposition"
    )
    said = _said_by_header(response)
    if described:
        said["attachment"] = response.attachment
        basename = response.get_basename() if response.attachment else response.basename
        said["basename"] = _one_line(basename) if basename else None
    # a Content-Encoding among the headers is the stream's, by GZipMiddleware say, not the file's
    said["encoding"] = response.file_encoding
    # ObjectDownloadView.modification_time_field
    time = getattr(response.file, "modification_time", None)
    if "Last-Modified" not in response and isinstance(time, datetime):
        said["modified"] = int(time.timestamp())
    if "path" in place:
        said["size"] = _size_of(response)
    return said


def _said_by_header(response: HttpResponseBase) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "Content-Disposition" not in response:
        said["attachment"] = False
    said["mimetype"], said["charset"] = _content_type(response.get("Content-Type", ""))
    said["etag"] = response.get("ETag")
    said["modified"] = parse_http_date_safe(response.get("Last-Modified", ""))
    return said


def _content_type(text: str) -> tuple[str | None, str | None]:
    """The media type, and its charset if that is all it has. A remote server may send anything."""
    if not is_media_type(text):
        return None, None
    parsed = Message()
    parsed["Content-Type"] = text
    parameters = parsed.get_params([])[1:]
    if [name.lower() for name, _ in parameters] == ["charset"]:
        return parsed.get_content_type(), parameters[0][1]
    return text, None


def _size_of(response: Any) -> int | None:
    try:
        return int(response.get("Content-Length", ""))
    except ValueError:
        return None


# --- files -----------------------------------------------------------------------------------


def _place(source: str | File[Any]) -> _Place | None:
    """Where nginx finds a file; nothing if it is only in this process, or private."""
    path = _local_path(source)
    if path is not None:
        return _in_storage(path)
    url = _attribute(source, "url")
    if url and url.startswith(("http://", "https://")):
        return {"url": iri_to_uri(url.partition("#")[0])}
    return None


def _in_storage(path: str) -> _Place | None:
    storages: Mapping[str, Any] = getattr(settings, "NGINX_DOWNLOAD_STORAGES", {})
    private: Sequence[Any] = getattr(settings, "NGINX_DOWNLOAD_PRIVATE", ())
    roots: list[tuple[str, str | None]] = [(os.path.abspath(root), None) for root in private]
    roots += [(os.path.abspath(root), name) for name, root in storages.items()]
    # the innermost
    for root, name in sorted(roots, key=lambda item: len(item[0]), reverse=True):
        if os.path.commonpath([root, path]) == root and path != root:
            return {"storage": name, "path": os.path.relpath(path, root)} if name else None
    return {"path": path}


def _local_path(source: Any) -> str | None:
    """The absolute path of a file on disk: one of a storage on disk, or opened there."""
    path = source if isinstance(source, str) else _attribute(source, "path")
    if path is None:
        opened = source if isinstance(source, _ON_DISK) else vars(source).get("file")
        path = opened.name if isinstance(opened, _ON_DISK) else None
    if not path or not isinstance(path, str):
        return None
    try:
        path.encode()
    except UnicodeEncodeError:
        # bytes that are no UTF-8: JSON cannot say them
        return None
    return os.path.abspath(path)


#: What open() gives, but none of tempfile's, which are gone before nginx comes for them.
_ON_DISK = (io.FileIO, io.BufferedReader, io.BufferedRandom, io.TextIOWrapper)


def _attribute(file: Any, name: str) -> Any:
    """Storages that have no path, or no URL, say so by NotImplementedError; FieldFiles without a
    file by ValueError."""
    try:
        return getattr(file, name)
    except (AttributeError, NotImplementedError, ValueError):
        return None


def _name_of(source: str | File[Any]) -> str:
    return os.path.basename((source.name or "") if isinstance(source, File) else source)


def _read(file: File[Any], limit: int) -> bytes | None:
    """All of the file, if it is no larger than this and can be read again."""
    size = _attribute(file, "size")
    if size is None or int(size) > limit or not file.seekable():
        return None
    start, whole = up_to(chunks_of(file), limit)
    if not whole:
        file.seek(0)
        return None
    return b"".join(start)


def _close(file: Any) -> None:
    """Closes what is open, without opening it first, as files of storages would."""
    has = vars(file)
    for opened in (has.get("_request"), has.get("_file"), has.get("file")):
        if hasattr(opened, "close"):
            opened.close()
    if isinstance(file, _ON_DISK):
        file.close()


# --- small things -----------------------------------------------------------------------------


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _cache(own: Mapping[str, Any]) -> Cache | None:
    cache = {**getattr(settings, "NGINX_DOWNLOAD_CACHE", {}), **own}
    return cast(Cache, cache) if cache else None


def _max_size() -> int:
    return int(getattr(settings, "NGINX_DOWNLOAD_GRANT_MAX_SIZE", MAX_SIZE))


def _one_line(name: str) -> str:
    """A name that somebody has typed in may have line ends in it, one on disk may be no UTF-8."""
    return re.sub("[\r\n\0]+", " ", name).encode(errors="replace").decode()


class SignedStorageMixin:
    """For a storage whose URLs are signed links, as ``hmac-sha256`` of ``download_signature``.

        class SignedStorage(SignedStorageMixin, FileSystemStorage):
            pass

    ``NGINX_DOWNLOAD_SIGNING_KEY`` is the key, ``NGINX_DOWNLOAD_URL_EXPIRATION`` says for how many
    seconds a link is good, an hour if it does not.
    """

    def url(self, name: str | None) -> str:
        """The signed link."""
        url: str = super().url(name)  # type: ignore[misc]
        lifetime = getattr(settings, "NGINX_DOWNLOAD_URL_EXPIRATION", 3600)
        if not isinstance(lifetime, timedelta):
            lifetime = timedelta(seconds=lifetime)
        return sign_url(url, settings.NGINX_DOWNLOAD_SIGNING_KEY, expires=lifetime)
