"""The app of scripts/soak: it grants as the path says, unless the user is mallory, and fails as the
header field X-Fault says. Who the user is, Cookie or Authorization says.

    app.py FILES SOCKET
"""

import json
import os
import re
import socket
import sys
import threading
import time

files, path = sys.argv[1:]
GRANT = "application/vnd.nginx-download.grant+json"


def response(status, mimetype, body, *lines):
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {mimetype}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def granted(file, **more):
    return response(200, GRANT, json.dumps({"file": file, **more}).encode())


def answer(kind, name, user):
    if kind == "storage":
        return granted({"storage": "files", "path": name}, cache={"tags": [name]})
    if kind == "location":
        return granted({"location": f"/_inner/{name}"}, basename=name)
    if kind == "accel":
        return response(200, "text/plain", b"", f"X-Accel-Redirect: /protected/{name}")
    if kind == "sendfile":
        return response(200, "text/plain", b"", f"X-Sendfile: /srv/files/{name}")
    if kind == "grant":
        return granted({"path": f"/srv/files/{name}"})
    if kind == "late":
        time.sleep(0.3)
        return granted({"storage": "files", "path": name})
    if kind == "own":
        # each has another file for the same name; ann's is for her alone
        if name not in (user, "shared"):
            return DENIED
        return granted({"storage": "files", "path": f"{user}.txt"}, headers={"X-For": user}, cache={"tags": [user]})
    if kind == "whole":
        with open(os.path.join(files, name), "rb") as file:
            return response(200, "text/plain", file.read())
    return response(404, "text/plain", b"what?")


DENIED = response(403, "text/plain", b"not for you")


class Over(Exception):
    pass


def fail(connection, fault, good):
    if fault == "pause":
        # between the descriptor and the head
        time.sleep(0.003)
        return good
    if fault == "500":
        return response(500, "text/plain", b"sorry")
    if fault == "html":
        return response(204, "text/html", b"")
    if fault == "garbage":
        connection.sendall(b"\0\xff\r\n\r\n" * 3)
    elif fault == "head":
        connection.sendall(good[:15])
    elif fault == "body":
        connection.sendall(good[:-1])
    elif fault == "slow":
        time.sleep(3)
    raise Over


def serve(connection):
    with connection, connection.makefile("rb") as requests:
        try:
            while line := requests.readline():
                fault = user = ""
                while (field := requests.readline().strip()):
                    key, _, value = field.decode("latin-1").partition(": ")
                    if key.lower() == "x-fault":
                        fault = value
                    elif key.lower() in ("cookie", "authorization"):
                        user = re.split("[= ]", value)[-1]
                *_, kind, name = line.split()[1].decode().partition("?")[0].split("/")
                if user == "mallory":
                    connection.sendall(DENIED)
                    continue
                if kind.startswith("passed"):
                    good = response(200, "text/plain", b"", "X-Sendfile-Fd: 0") if kind == "passed-on" else granted({"descriptor": 0})
                    with_head = kind == "passed-along"
                    fd = os.open(os.path.join(files, name), os.O_RDONLY)
                    try:
                        socket.send_fds(connection, [good if with_head else b"\0"], [fd])
                    finally:
                        os.close(fd)
                    if with_head:
                        continue
                else:
                    good = answer(kind, name, user)
                connection.sendall(fail(connection, fault, good) if fault else good)
        except (OSError, Over):
            pass


listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen(1024)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
