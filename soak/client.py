"""One client of scripts/soak: it asks for files in all ways, breaks off now and then, and looks at
each byte that comes.

    client.py PORT FILES SEED: asks until its standard input ends, and says as JSON lines how far it is.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import selectors
import socket
import struct
import sys
import time

ABORTS, FAULTS, DENIED, RANGES, HEADS, REVOKED = 0.05, 0.05, 0.05, 0.10, 0.03, 0.002
FAULT_KINDS = ["500", "html", "head", "body", "close"]
# what nginx itself passes on, where nobody asks for a grant
FAULT_KINDS_ASKED = [*FAULT_KINDS, "garbage"]
SLOW = 0.01  # of the faults: each takes as long as proxy_read_timeout
KEY = b"the key of scripts/soak, not a secret"

# the ways to a file that the app is asked for, and whether it can be denied or fail there
ASKED = [f"/asked/{kind}/" for kind in ("storage", "location", "grant", "passed")] + [
    "/cached/storage/", "/app/accel/", "/app/sendfile/", "/app/grant/", "/app/passed-on/", "/app/passed/",
]  # fmt: skip
KEPT = "/cached/passed/"  # what is remembered answers for an app that fails
WAYS = [*ASKED, *ASKED, KEPT, "/storage/", "/path/?f=", "/signed/", "/made/whole/"]


class Client:
    def __init__(self, port, folder, seed):
        self.port, self.random = port, random.Random(seed)
        self.files = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                self.files[name] = file.read()
        self.digests = {name: hashlib.sha256(data).digest() for name, data in self.files.items()}
        self.names = list(self.files)
        self.connection = None
        self.counts = dict.fromkeys(("requests", "files", "parts", "aborts", "faults", "denied", "retries", "bytes"), 0)
        self.wrong = []

    def target(self, way, name):
        if way != "/signed/":
            return way + name
        url = f"/signed/{name}?expires=4102444800"
        mac = base64.urlsafe_b64encode(hmac.digest(KEY, url.encode(), "sha256")).decode().rstrip("=")
        return f"{url}&signature={mac}"

    def step(self):
        chance = self.random.random
        way, name = self.random.choice(WAYS), self.random.choice(self.names)
        lines, method, expected = ["Cookie: user=alice"], "GET", 200
        first = last = None
        if way in ASKED and chance() < DENIED:
            lines, expected = ["Cookie: user=mallory"], 403
        elif way in ASKED and way != "/cached/storage/" and chance() < FAULTS * len(WAYS) / len(ASKED) / 2:
            fault = "slow" if chance() < SLOW else self.random.choice(FAULT_KINDS if way.startswith("/app/") else FAULT_KINDS_ASKED)
            lines.append(f"X-Fault: {fault}")
            expected = 500
        elif chance() < RANGES and self.files[name] and not way.startswith("/made/"):
            size = len(self.files[name])
            first = self.random.randrange(size)
            last = self.random.randrange(first, size)
            lines.append(f"Range: bytes={first}-{last}")
            expected = 206
        elif chance() < HEADS and not way.startswith("/app/"):
            method = "HEAD"
        if chance() < REVOKED:
            self.exchange("POST", f"/revoke?tag={name}", ["Content-Length: 0"], None)
        abort = chance() < ABORTS
        self.counts["requests"] += 1
        got = self.exchange(method, self.target(way, name), lines, self.random.random() * 3 if abort else None)
        if got is None:
            self.counts["aborts"] += 1
            return
        self.judge(method, way, name, lines, expected, first, last, *got)

    def judge(self, method, way, name, lines, expected, first, last, status, body, whole):
        data = self.files[name]
        said = f"{method} {way}{name} {lines}: {status}, {len(body)} bytes, {'whole' if whole else 'broken off'}"
        if expected in (403, 500):
            # a body broken off by the app: the response may have begun, if it was the app's own
            fine = status == 403 if expected == 403 else status in (502, 504, 500) or status == 204
            if len(data) > 20 and data[:20] in body:
                self.wrong.append(f"bytes of the file: {said}")
            elif not fine and not (expected == 500 and status == 200 and not body):
                self.wrong.append(f"instead of {expected}: {said}")
            self.counts["denied" if expected == 403 else "faults"] += 1
        elif status != expected or not whole:
            self.wrong.append(f"instead of {expected}: {said}")
        elif method == "HEAD":
            self.counts["files"] += 1
        elif first is not None:
            if body != data[first : last + 1]:
                self.wrong.append(f"not the bytes asked for: {said}")
            self.counts["parts"] += 1
        else:
            if hashlib.sha256(body).digest() != self.digests[name]:
                self.wrong.append(f"not the file's bytes: {said}")
            self.counts["files"] += 1
        self.counts["bytes"] += len(body)

    def exchange(self, method, target, lines, abort):
        """Status, body, and whether it is whole; None for a request that was broken off after so
        many milliseconds."""
        for attempt in range(3):
            fresh = self.connection is None
            try:
                if fresh:
                    self.connection = socket.create_connection(("127.0.0.1", self.port), 15)
                    self.rest = b""
                request = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""])
                self.connection.sendall(request.encode())
                if abort is not None:
                    return self.break_off(abort)
                return self.response(method)
            except (ConnectionError, TimeoutError, EOFError) as error:
                self.close()
                # a worker that ends closes the connections that wait; only what was kept may meet that
                if fresh:
                    return (0, str(error).encode(), False)
                self.counts["retries"] += 1
        return (0, b"", False)

    def break_off(self, milliseconds):
        time.sleep(milliseconds / 1000)
        if self.random.random() < 0.5:
            self.connection.recv(self.random.randrange(1, 5000))
        if self.random.random() < 0.5:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
        return None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def more(self):
        data = self.connection.recv(1 << 18)
        if not data:
            raise EOFError("the connection was closed")
        self.rest += data

    def response(self, method):
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        fields = {key.lower(): value.strip() for key, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        length = int(fields.get(b"content-length", 0))
        parts, have, whole = [self.rest], len(self.rest), True
        if method == "HEAD" or status in (204, 304):
            length = 0
        while have < length:
            data = self.connection.recv(min(1 << 18, length - have))
            if not data:
                whole = False
                break
            parts.append(data)
            have += len(data)
        body = b"".join(parts)
        self.rest = body[length:]
        if not whole or fields.get(b"connection") == b"close" or b"content-length" not in fields and status not in (204, 304):
            self.close()
        return status, body[:length], whole


def main():
    port, folder, seed = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    client = Client(port, folder, seed)
    end = selectors.DefaultSelector()
    end.register(sys.stdin, selectors.EVENT_READ)
    told = 0.0
    while True:
        client.step()
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            print(json.dumps({**client.counts, "wrong": client.wrong}), flush=True)
            if end.select(0) or len(client.wrong) > 20:
                return


main()
