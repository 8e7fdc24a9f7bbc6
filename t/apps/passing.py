"""An app that passes open descriptors along with its responses, rightly and wrongly.

    passing.py FOLDER [APP.SOCK]

Listens on app.sock, fcgi.sock, uwsgi.sock, scgi.sock and second.sock (which never goes wrong) in
FOLDER. What it does depends on the last part of the path that it is asked for; "asked NAME -" goes to
FOLDER/notes each time.
"""
import json
import os
import select
import socket
import struct
import sys
import threading
import time

folder = sys.argv[1]
GRANT = "application/vnd.nginx-download.grant+json"
TEXT = b"".join(b"%07d\n" % n for n in range(12500))  # 100,000 bytes
SMALL = b"0123456789"


def memfd(content=TEXT):
    fd = os.memfd_create("generated")
    os.write(fd, content)
    return fd


def named(name, content=TEXT):
    path = os.path.join(folder, "private", name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (1704164645, 1704164645))
    return path


def nameless():
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, TEXT)
    return fd


def sparse(size):
    fd = os.memfd_create("large")
    os.ftruncate(fd, size)
    os.pwrite(fd, b"end", size - 3)
    return fd


def unlinked():
    path = named("gone")
    fd = os.open(path, os.O_RDONLY)
    os.unlink(path)
    return fd


def offset():
    fd = memfd()
    os.lseek(fd, 50_000, os.SEEK_SET)
    return fd


def answer(body=b"", mimetype=GRANT, *lines, status="200 OK"):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {mimetype}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode(), body


def grant(**fields):
    return answer(json.dumps({"file": {"descriptor": 0}, **fields}).encode())


# --- how a descriptor is sent ---------------------------------------------------------------


def first(c, fds, head, body):
    """Before the response, with a NUL byte."""
    socket.send_fds(c, [b"\0"], fds)
    c.sendall(head + body)


def with_head(c, fds, head, body):
    socket.send_fds(c, [head], fds)
    c.sendall(body)


def with_all(c, fds, head, body):
    socket.send_fds(c, [head + body], fds)


def amid_head(c, fds, head, body):
    c.sendall(head[:20])
    time.sleep(0.05)
    socket.send_fds(c, [head[20:]], fds)
    c.sendall(body)


def with_body(c, fds, head, body):
    c.sendall(head)
    time.sleep(0.1)
    socket.send_fds(c, [body], fds)


def with_rest_of_body(c, fds, head, body):
    c.sendall(head + body[:1])
    time.sleep(0.1)
    socket.send_fds(c, [body[1:]], fds)


def byte_by_byte(c, fds, head, body):
    socket.send_fds(c, [b"\0"], fds)
    for byte in head:
        c.sendall(bytes([byte]))
    c.sendall(body)


def slowly(c, fds, head, body):
    socket.send_fds(c, [b"\0"], fds)
    time.sleep(0.2)
    c.sendall(head)
    time.sleep(0.2)
    c.sendall(body)


def each_with_one(c, fds, head, body):
    """One before the head, one with it."""
    socket.send_fds(c, [b"\0"], fds[:1])
    socket.send_fds(c, [head + body], fds[1:])


def only_nul(c, fds, head, body):
    c.sendall(b"\0" + head + body)
    raise ConnectionAbortedError


def two_nuls(c, fds, head, body):
    socket.send_fds(c, [b"\0"], fds[:1])
    socket.send_fds(c, [b"\0"], fds[1:])
    c.sendall(head + body)
    raise ConnectionAbortedError


def then_dies(c, fds, head, body):
    socket.send_fds(c, [b"\0"], fds)
    raise ConnectionAbortedError


def dies_in_head(c, fds, head, body):
    socket.send_fds(c, [head[:30]], fds)
    raise ConnectionAbortedError


def dies_in_body(c, fds, head, body):
    socket.send_fds(c, [head + body[:5]], fds)
    raise ConnectionAbortedError


def hangs(c, fds, head, body):
    socket.send_fds(c, [b"\0"], fds)
    select.select([c], [], [], 10)
    raise ConnectionAbortedError


def ends_after(c, fds, head, body):
    first(c, fds, head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), body)
    raise ConnectionAbortedError


# --- what is answered, by name -------------------------------------------------------------


def pipe():
    r, w = os.pipe()
    os.close(w)
    return r


def one_of_pair():
    a, b = socket.socketpair()
    b.close()
    return a.detach()


def opened(flags, name="flags"):
    return lambda: os.open(named(name), flags)


named_grant = {"basename": "report.txt", "mimetype": "text/csv"}
REPLIES = {
    # rightly
    "first": ([memfd], first, grant(**named_grant)),
    "with-head": ([memfd], with_head, grant()),
    "with-all": ([memfd], with_all, grant()),
    "amid-head": ([memfd], amid_head, grant()),
    "bytes": ([memfd], byte_by_byte, grant()),
    "slowly": ([memfd], slowly, grant()),
    "close": ([memfd], ends_after, grant()),
    "small": ([lambda: memfd(SMALL)], first, grant()),
    "empty": ([lambda: memfd(b"")], first, grant()),
    "large": ([lambda: sparse((1 << 32) + 1)], first, grant()),
    "gigabyte": ([lambda: sparse(1 << 30)], first, grant()),
    "offset": ([offset], first, grant()),
    "file": ([opened(os.O_RDONLY)], first, grant()),
    "file-rw": ([opened(os.O_RDWR)], first, grant()),
    "nameless": ([nameless], first, grant()),
    "unlinked": ([unlinked], first, grant()),
    "versioned": ([memfd], first, grant(etag='"v1"', modified=1704164645)),
    "sized": ([memfd], first, grant(size=5)),
    "field": ([memfd], first, answer(b"", "text/csv", "X-Sendfile-Fd: 0", "X-Other: 1")),
    "field-etag": ([memfd], first, answer(b"", "text/csv", "x-sendfile-fd: 0", 'ETag: "e"')),
    "cached": ([memfd], first, grant(cache={"ttl": 60, "tags": ["t"]})),
    "cached-small": ([lambda: memfd(SMALL)], first, grant(cache={"ttl": 60})),
    "cached-short": ([memfd], first, grant(cache={"ttl": 1})),
    "uncached": ([memfd], first, grant(cache={"ttl": 0})),
    # wrongly
    "none": ([], first, grant()),
    "second": ([memfd], first, grant(file={"descriptor": 1})),
    "fourth": ([memfd], first, grant(file={"descriptor": 3})),
    "two": ([memfd, memfd], first, grant()),
    "three": ([memfd, memfd, memfd], first, grant()),
    "many": ([memfd] * 253, first, grant()),
    "many-with-all": ([memfd] * 253, with_all, grant()),
    "each": ([memfd, memfd], each_with_one, grant()),
    "only-nul": ([], only_nul, grant()),
    "two-nuls": ([memfd, memfd], two_nuls, grant()),
    "late": ([memfd], with_body, grant()),
    "later": ([memfd], with_rest_of_body, grant()),
    "pipe": ([pipe], first, grant()),
    "socket": ([one_of_pair], first, grant()),
    "folder": ([lambda: os.open(folder, os.O_RDONLY)], first, grant()),
    "device": ([lambda: os.open("/dev/zero", os.O_RDONLY)], first, grant()),
    "event": ([lambda: os.eventfd(0)], first, grant()),
    "path-only": ([opened(os.O_PATH)], first, grant()),
    "writing": ([opened(os.O_WRONLY)], first, grant()),
    "field-none": ([], first, answer(b"", "text/csv", "X-Sendfile-Fd: 0")),
    "field-second": ([memfd], first, answer(b"", "text/csv", "X-Sendfile-Fd: 1")),
    "field-bad": ([memfd], first, answer(b"", "text/csv", "X-Sendfile-Fd: -1")),
    "field-two": ([memfd], first, answer(b"", "text/csv", "X-Sendfile-Fd: 0", "X-Sendfile: /x")),
    "dies": ([memfd], then_dies, grant()),
    "dies-in-head": ([memfd], dies_in_head, grant()),
    "dies-in-body": ([memfd], dies_in_body, grant()),
    "hangs": ([memfd], hangs, grant()),
    # where none is expected
    "page": ([memfd], first, answer(TEXT, "text/plain")),
    "page-late": ([memfd], with_rest_of_body, answer(TEXT, "text/plain")),
    "page-many": ([memfd] * 253, first, answer(SMALL, "text/plain")),
    "denied": ([memfd], first, answer(b"no", "text/plain", status="403 Forbidden")),
    "login": ([memfd], first, answer(b"", "text/plain", "Location: /login", status="302 Found")),
    "content": ([memfd], first, grant(file={"content": "of its own"})),
    "bad-grant": ([memfd], first, grant(nonsense=1)),
    "plain": ([], first, answer(SMALL, "text/plain")),
}


def reply(c, name):
    with open(os.path.join(folder, "notes"), "a") as notes:
        notes.write(f"asked {name} -\n")
    make, send, (head, body) = REPLIES[name]
    if not make and send is first:
        c.sendall(head + body)
        return
    fds = [one() for one in make]
    try:
        send(c, fds, head, body)
    finally:
        for fd in fds:
            os.close(fd)


# --- the protocols -----------------------------------------------------------------------------


def http(c, fixed=None):
    with c, c.makefile("rb") as requests:
        try:
            while line := requests.readline():
                while requests.readline().strip():
                    pass
                path = line.split()[1].decode().partition("?")[0]
                reply(c, fixed or path.rpartition("/")[2])
        except OSError:
            pass


def second(c):
    http(c, "small")


def cgi(c):
    """uwsgi and SCGI, whose responses are those of HTTP."""
    with c:
        c.recv(65536)
        reply(c, "first")


def fcgi(c):
    with c:
        c.recv(65536)
        head, body = grant()
        out = b"Status: " + head.partition(b" ")[2] + body
        records = [struct.pack(">BBHHBB", 1, 6, 1, len(out), 0, 0), out, struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0),
                   struct.pack(">BBHHBBL4x", 1, 3, 1, 8, 0, 0, 0)]
        fd = memfd()
        first(c, [fd], b"".join(records), b"")
        os.close(fd)


def serve(name, protocol):
    path = os.path.join(folder, f"{name}.sock")
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path + ".new")
    listener.listen(512)
    os.chmod(path + ".new", 0o777)
    os.rename(path + ".new", path)
    while True:
        c, _ = listener.accept()
        threading.Thread(target=protocol, args=(c,), daemon=True).start()


for name, protocol in {"app": http, "second": second, "fcgi": fcgi, "uwsgi": cgi, "scgi": cgi}.items():
    threading.Thread(target=serve, args=(name, protocol), daemon=True).start()
threading.Event().wait()
