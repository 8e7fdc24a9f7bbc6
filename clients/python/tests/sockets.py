"""nginx's side of the socket that descriptors are passed over."""

import contextlib
import os
import socket


class Peer:
    """What nginx would see. ``server`` is the server's side, for a WSGI environ: gunicorn's name."""

    def __init__(self, server, nginx):
        self.server = server
        self.nginx = nginx
        nginx.setblocking(False)

    @property
    def environ(self):
        return {"gunicorn.socket": self.server, "SERVER_PROTOCOL": "HTTP/1.1"}

    def nothing(self):
        """Has nothing come?"""
        try:
            self.nginx.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        return False

    def descriptor(self):
        """The one that has come; to be closed. The byte with it is alone."""
        data, (fd,), _, _ = socket.recv_fds(self.nginx, 99, 9)
        assert data == b"\0", data
        return fd

    def file(self):
        """The content of the file that has come."""
        with open(self.descriptor(), "rb") as file:
            return os.pread(file.fileno(), 1 << 30, 0)


@contextlib.contextmanager
def peer(*how):
    server, nginx = socket.socketpair(*how)
    with server, nginx:
        yield Peer(server, nginx)


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))
