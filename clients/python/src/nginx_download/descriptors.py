"""Files without a path: the app passes them to nginx open, over the unix socket that the request
came over.

What goes over the socket is described in docs/descriptors.md: before the response a NUL byte with the
descriptor. To anybody but an nginx that waits for it (``download_descriptors``) the byte is no HTTP, so
nothing is passed unless the app is told to: by `nginx_download.wsgi.PassDescriptors`, by
`nginx_download.uvicorn`, or by Django's setting NGINX_DOWNLOAD_DESCRIPTORS.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import io
import logging
import os
import shutil
import socket
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import IO, Any, Protocol

logger = logging.getLogger("nginx_download")

#: Content of up to this many bytes is in memory, until the last who has it open closes it; what is
#: larger is on disk, in a file without a name where TMPDIR says.
MAX_MEMORY = 16 * 1024 * 1024

#: Where the connection is in a WSGI environ; in an ASGI scope it is an extension of this name.
KEY = "nginx_download.connection"


class HasFileno(Protocol):
    """An open file."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Connection:
    """The unix socket that a request came over, and by which nginx waits for the response.

    ``borrow`` gives the socket, in a ``with``; ``is_idle`` says whether all that was written to it
    is on its way.
    """

    def __init__(
        self,
        borrow: Callable[[], contextlib.AbstractContextManager[Any]],
        is_idle: Callable[[], bool] = lambda: True,
    ) -> None:
        self._borrow = borrow
        self._is_idle = is_idle
        self._used = False

    def pass_descriptor(self, file: int | HasFileno) -> bool:
        """Passes the open file to nginx; the app may close its own then.

        To be called before anything of the response is sent. False if nothing was passed, because
        something was already, one is all that a response may have, or because the kernel would
        not: the app has to answer otherwise then.
        """
        fd = file if isinstance(file, int) else file.fileno()
        if self._used or not self._is_idle():
            return False
        try:
            with self._borrow() as sock:
                socket.send_fds(sock, [b"\0"], [fd])
        except OSError as error:
            logger.warning("nginx_download: the file cannot be passed to nginx: %s", error)
            return False
        self._used = True
        return True


def of_environ(environ: MutableMapping[str, Any]) -> Connection | None:
    """The connection of a WSGI request: gunicorn and uWSGI hand it to the app.

    None if the server does not, or if it is none that descriptors can be passed over. It is the
    same one each time, since a response has one descriptor.
    """
    if KEY not in environ:
        environ[KEY] = _of_gunicorn(environ) or _of_uwsgi()
    connection: Connection | None = environ[KEY]
    return connection


def _of_gunicorn(environ: MutableMapping[str, Any]) -> Connection | None:
    sock = environ.get("gunicorn.socket")
    # in HTTP/2 responses do not have the socket for themselves
    if sock is None or not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1."):
        return None
    is_plain = hasattr(sock, "sendmsg") and not isinstance(sock, ssl.SSLSocket)
    # gunicorn's own object knows whether it is blocking, or gevent's
    return Connection(lambda: contextlib.nullcontext(sock)) if is_plain and _is_unix(sock) else None


def _of_uwsgi() -> Connection | None:
    # a module that only uWSGI has
    connection_fd = getattr(sys.modules.get("uwsgi"), "connection_fd", None)
    return _of_fd(connection_fd()) if connection_fd else None


def of_transport(transport: Any) -> Connection | None:
    """The connection of a transport of asyncio's or uvloop's: for servers that hand it out."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("ssl_object") is not None:
        return None
    return _of_fd(sock.fileno(), lambda: transport.get_write_buffer_size() == 0)


def of_scope(scope: MutableMapping[str, Any]) -> Connection | None:
    """The connection of an ASGI request, if the server hands it to the app: `nginx_download.uvicorn`."""
    connection: Connection | None = (scope.get("extensions") or {}).get(KEY, {}).get("connection")
    return connection


def _of_fd(fd: int, is_idle: Callable[[], bool] = lambda: True) -> Connection | None:
    def borrow() -> socket.socket:
        return socket.socket(fileno=os.dup(fd))

    try:
        with borrow() as sock:
            return Connection(borrow, is_idle) if _is_unix(sock) else None
    except OSError:
        return None


def _is_unix(sock: Any) -> bool:
    return bool(sock.family == socket.AF_UNIX)


def knows(given: str | None, token: str | None) -> bool:
    """Is this the token that nginx sends along? Anything is, where none was agreed upon."""
    return not token or hmac.compare_digest((given or "").encode(), token.encode())


# --- files --------------------------------------------------------------------------------------


def may_be_passed(file: int | HasFileno) -> bool:
    """Would nginx take it? A regular file, on disk or in memory, that is open for reading."""
    fd = file if isinstance(file, int) else file.fileno()
    readable = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
    return readable and stat.S_ISREG(os.fstat(fd).st_mode)


def own(file: int | HasFileno) -> io.FileIO:
    """The same open file by a descriptor of its own: whoever gave it can close theirs.

    Raises ValueError if nginx would not take it.
    """
    if isinstance(file, (io.BufferedWriter, io.BufferedRandom)):
        file.flush()
    fd = file if isinstance(file, int) else file.fileno()
    if not may_be_passed(fd):
        raise ValueError(f"nginx takes regular files that are open for reading, not {file!r}")
    return io.FileIO(os.dup(fd), "rb")


def unnamed(
    content: bytes | str | Iterable[bytes | str], *, max_memory: int = MAX_MEMORY
) -> IO[bytes]:
    """An open file without a name that has this in it, text as UTF-8; to be closed by the caller.

    It is a memfd, in memory only, which nobody can write to any more; with more bytes than
    ``max_memory``, or where there is no memfd_create(2), a temporary file. What is made piece by piece
    is written so, and never in memory as a whole if it is larger.
    """
    with contextlib.ExitStack() as undo:
        memory = _memfd()
        file = undo.enter_context(memory or _on_disk())
        for chunk in [content] if isinstance(content, (bytes, str)) else content:
            data = chunk.encode() if isinstance(chunk, str) else chunk
            if file is memory and file.tell() + len(data) > max_memory:
                file = undo.enter_context(_on_disk())
                memory.seek(0)
                shutil.copyfileobj(memory, file)
                memory.close()
            file.write(data)
        file.flush()
        if file is memory:
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        file.seek(0)
        undo.pop_all()
        return file


def _memfd() -> IO[bytes] | None:
    try:
        fd = os.memfd_create("nginx_download", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        # another system than Linux, or a kernel that is told not to
        return None
    return open(fd, "w+b")


def _on_disk() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="nginx-download-")


# --- content ------------------------------------------------------------------------------------


def read(file: IO[bytes] | io.FileIO) -> Iterator[bytes]:
    """All of an open file, wherever its offset stands; then it is closed."""
    with file:
        at = 0
        while chunk := os.pread(file.fileno(), 1 << 16, at):
            yield chunk
            at += len(chunk)


def up_to(chunks: Iterator[bytes], limit: int) -> tuple[list[bytes], bool]:
    """The first chunks, until there are more bytes than this, and whether that was all."""
    start: list[bytes] = []
    size = 0
    for chunk in chunks:
        start.append(chunk)
        size += len(chunk)
        if size > limit:
            return start, False
    return start, True
