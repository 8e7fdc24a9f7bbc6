"""What WSGI and ASGI apps answer for a file that is open, or that is made for the request: a grant
and the file by descriptor; the content in the grant; or, where neither can be, the file itself."""

from __future__ import annotations

import itertools
import mimetypes
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from nginx_download import descriptors
from nginx_download.descriptors import Connection, HasFileno, read, up_to
from nginx_download.grants import (
    MEDIA_TYPE,
    Grant,
    GrantError,
    GrantTooLarge,
    content,
    is_grant,
)

#: The header fields of an answer, and its body.
Answer = tuple[list[tuple[str, str]], Iterable[bytes]]


class Offer:
    """A file that nginx, or if need be the app, sends to one client."""

    def __init__(
        self,
        fd: int | HasFileno | None,
        made: bytes | str | Iterable[bytes | str] | None,
        said: Mapping[str, Any],
        *,
        max_size: int,
        max_memory: int,
    ) -> None:
        # what is wrong is wrong wherever the app runs
        self._said = Grant({"descriptor": 0}, **said)
        self._max_size = max_size
        self._max_memory = max_memory
        if (fd is None) == (made is None):
            raise GrantError("give either fd or content")
        self._made = made
        self._file = None if fd is None else descriptors.own(fd)

    def answer(self, connection: Connection | None, *, is_head: bool) -> Answer:
        """The answer; ``connection`` if the file may be passed over it. To be called once."""
        if is_head:
            # an answer without a body has no grant, and nginx no use for a descriptor
            return self._plain(self._size()), []
        chunks = self._chunks()
        if connection is not None:
            passed = self._granted({"descriptor": 0})
            file = self._file or descriptors.unnamed(chunks, max_memory=self._max_memory)
            if connection.pass_descriptor(file):
                file.close()
                return passed
            chunks = read(file)
        start, whole = up_to(chunks, self._max_size)
        if whole:
            with suppress(GrantTooLarge):
                return self._granted(content(b"".join(start)))
        size = sum(map(len, start)) if whole else self._size()
        return self._plain(size), itertools.chain(start, chunks)

    def _granted(self, file: Mapping[str, str | int]) -> Answer:
        grant = Grant(**{**self._said.as_dict(), "file": file})
        body = grant.to_json(max_size=self._max_size)
        return [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))], [body]

    def _chunks(self) -> Iterator[bytes]:
        if self._file is not None:
            return read(self._file)
        assert self._made is not None
        made = [self._made] if isinstance(self._made, (bytes, str)) else self._made
        return (chunk.encode() if isinstance(chunk, str) else chunk for chunk in made)

    def _size(self) -> int | None:
        if self._file is not None:
            return os.fstat(self._file.fileno()).st_size
        if isinstance(self._made, (bytes, str)):
            return len(next(self._chunks()))
        return None

    def _plain(self, size: int | None) -> list[tuple[str, str]]:
        """The header fields that nginx would make of the grant."""
        said = self._said
        mimetype = said.mimetype or mimetypes.guess_type(said.basename or "")[0]
        if mimetype is None or is_grant(mimetype):
            mimetype = "application/octet-stream"
        values = {
            "Content-Type": f"{mimetype}; charset={said.charset}" if said.charset else mimetype,
            "Content-Length": None if size is None else str(size),
            "Content-Disposition": _disposition(said.attachment is not False, said.basename),
            "Content-Encoding": None if said.encoding == "identity" else said.encoding,
            "ETag": said.etag,
        }
        if said.modified is not None:
            values["Last-Modified"] = formatdate(said.modified, usegmt=True)
        own = {name: text.encode().decode("latin-1") for name, text in (said.headers or {}).items()}
        return [*((name, value) for name, value in values.items() if value), *own.items()]


def _disposition(attachment: bool, basename: str | None) -> str | None:
    """RFC 6266."""
    if basename is None:
        return "attachment" if attachment else None
    name = re.split(r"[/\\]", basename)[-1]
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    kind = f'{"attachment" if attachment else "inline"}; filename="{plain}"'
    return kind if plain == name else f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
