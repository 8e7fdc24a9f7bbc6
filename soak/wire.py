"""HTTP as the clients here speak it: requests of bytes, answers read by their Content-Length."""

import contextlib
import socket
import struct
from typing import NamedTuple

BLOCK = 1 << 18


def request(target, *lines, method="GET"):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


class Answer(NamedTuple):
    status: int  # 0: there is no answer, and the body says why
    fields: dict
    body: bytes
    whole: bool

    @property
    def closes(self):
        known = self.status in (204, 304) or b"content-length" in self.fields
        return not self.whole or not known or self.fields.get(b"connection") == b"close"


class Closed(Exception):
    """By the server, before a byte of the answer."""


class Connection:
    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(15)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.rest = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError as error:
            raise Closed(str(error)) from error

    def answer(self, method="GET"):
        """To be called once for each request, in their order."""
        while b"\r\n\r\n" not in self.rest:
            try:
                data = self.socket.recv(BLOCK)
            except ConnectionError as error:
                data, why = b"", str(error)
            except TimeoutError as error:
                return Answer(0, {}, self.rest + str(error).encode(), False)
            else:
                why = "the connection was closed"
            if not data and not self.rest:
                raise Closed(why)
            if not data:
                return Answer(0, {}, self.rest, False)
            self.rest += data
        head, _, rest = self.rest.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = int(lines[0].split()[1])
        fields = {key.lower(): value.strip() for key, _, value in (line.partition(b":") for line in lines[1:])}
        length = 0 if method == "HEAD" or status in (204, 304) else int(fields.get(b"content-length", 0))
        body, whole = self.body(rest, length)
        return Answer(status, fields, body, whole)

    def body(self, rest, length):
        parts, have = [rest], len(rest)
        while have < length:
            try:
                data = self.socket.recv(min(BLOCK, length - have))
            except (ConnectionError, TimeoutError):
                data = b""
            if not data:
                return b"".join(parts), False
            parts.append(data)
            have += len(data)
        body = b"".join(parts)
        self.rest = body[length:]
        return body[:length], True

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Kept:
    """A connection that is kept from request to request, and made anew when it is gone."""

    def __init__(self, port):
        self.port, self.connection = port, None
        # how often a request was repeated, since a worker that ends had closed the connection: what was
        # kept may meet that (RFC 9112, 9.3.1), what is new may not
        self.repeated = 0

    def ask(self, data, method="GET"):
        while True:
            fresh = self.connection is None
            try:
                self.connect()
                self.connection.send(data)
                answer = self.connection.answer(method)
            except (Closed, OSError) as error:
                self.close()
                if fresh:
                    return Answer(0, {}, str(error).encode(), False)
                self.repeated += 1
                continue
            if answer.closes:
                self.close()
            return answer

    def start(self, data, receive_buffer=None):
        """A request whose answer nobody will wait for: close() is to follow."""
        try:
            self.connect(receive_buffer)
            self.connection.send(data)
        except Closed:
            self.close()
            self.connect(receive_buffer)
            self.connection.send(data)

    def taste(self, most):
        """Some of what came."""
        with contextlib.suppress(OSError):
            self.connection.socket.recv(most)

    def connect(self, receive_buffer=None):
        if self.connection is None:
            self.connection = Connection(self.port, receive_buffer)

    def close(self, reset=False):
        if self.connection:
            self.connection.close(reset)
        self.connection = None
