#!/usr/bin/env python3
"""Feeds the module inside nginx with mutated answers of an app, as scripts/fuzz nginx does.

For each request the app (a server on a unix socket, in this process) gives an answer that is made of
the grammar of HTTP heads, of grants and of X-Accel headers, and then damaged. Whatever it says:

- the client gets a file that the answer may refer to, whole or in the part that it says it is, or
  something that is none: never a byte of the secret that lies beside the storage;
- all answers are HTTP, and end;
- the worker lives, and neither the error log (alert, crit, emerg) nor a sanitizer has anything to say.

A seed gives the same answers again.
"""

import argparse
import collections
import itertools
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECRET = b"Zr8-not-for-anybody-"
FILES = {
    "ten.txt": b"0123456789",
    "large.txt": b"".join(b"line %d\n" % n for n in range(20_000)),
    "empty.txt": b"",
    "sub/ca f\xc3\xa9.txt".encode("latin-1").decode("utf-8"): b"name\n",
}
LANES = 8

CONF = """
load_module {module};
daemon off;
worker_processes 1;
{user}
error_log {dir}/logs/error.log notice;
pid {dir}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp/body; proxy_temp_path {dir}/tmp/proxy; fastcgi_temp_path {dir}/tmp/fastcgi;
    uwsgi_temp_path {dir}/tmp/uwsgi; scgi_temp_path {dir}/tmp/scgi;
    download_storage files root={dir}/files;
    download_storage inner location=/inner/;
    download_storage far url=http://far.example/x/ via=/via/;
    download_cache_zone zone=grants:128k;
    map $arg_explain $explain {{ default 0; 1 1; }}
    upstream app {{ server unix:{dir}/app.sock; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_read_timeout 100ms;
        proxy_next_upstream off;
        proxy_pass_request_body off;
        download_rule /protected/ files;
        download_rule /app/media/ files:sub;
        location /dl/ {{ download object /_ask/; download_explain $explain; }}
        location /both/ {{ download object /_ask_all/; }}
        location /cached/ {{ download object /_ask/; download_cache grants; download_cache_key $arg_k; download_cache_valid 1h denied=1s; download_cache_use_stale 1h; }}
        location /app/ {{ proxy_pass http://app; download_intercept all; }}
        location /raw/ {{ proxy_pass http://app; download_intercept all decode=off; sub_filter_once off; }}
        location /_ask/ {{ internal; proxy_pass http://app$request_uri; }}
        location /_ask_all/ {{ internal; proxy_pass http://app$request_uri; download_intercept all; }}
        location /inner/ {{ internal; alias {dir}/files/; disable_symlinks on; }}
        location /via/ {{ internal; return 404; }}
        location = /status {{ download_status; }}
        location = /alive {{ return 200 alive; }}
        location @named {{ internal; return 403 named; }}
    }}
}}
"""

# --- what the app says --------------------------------------------------------------------------

NAMES = ["ten.txt", "large.txt", "empty.txt", "sub/ca f\u00e9.txt", "../secret.txt", "/etc/passwd", "sub/../../secret.txt",
         "%2e%2e/secret.txt", "..%2fsecret.txt", "link.txt", "", ".", "a" * 300, "x\u0000y", "ten.txt/", "//ten.txt", "./ten.txt"]
PREFIXES = ["/protected/", "/app/media/", "/inner/", "/", "", "@named", "/dl/", "/protected/../", "/_ask/", "/alive"]
PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-", b"9" * 20, b"1e9", b"\\u0000", b"\\ud800", b"\r\n",
          b"\n", b"\r", b"\0", b"\x7f", b"\xff", b"\xe2\x80\xae", b"..", b"/", b"%2e", b"%00", b" ", b"\t", b";", b"=", b"W/", b"chunked", b"0\r\n\r\n"]


def grant(r):
    name = r.choice(NAMES)
    files = [
        {"storage": r.choice(["files", "files", "inner", "far", "none", ""]), "path": name},
        {"path": r.choice(PREFIXES) + name},
        {"location": r.choice(PREFIXES) + name},
        {"url": r.choice(["http://far.example/x/", "http://far.example/", "file:///", ""]) + name},
        {"content": r.choice(["", "hello", "x" * 9000, "caf\u00e9"])},
        {"base64": r.choice(["", "aGVsbG8=", "aGVsbG8", "!", "AAAA" * 4000])},
        {"descriptor": r.choice([0, 1, 2**32, -1])},
    ]
    out = {"file": r.choice(files)}
    more = {
        "basename": r.choice(["a.pdf", "../x", "C:\\x", "a\";x=.bat", "\u202egnp.exe", "", "\u65e5\u672c.txt", "x" * 300]),
        "attachment": r.choice([True, False, None]),
        "mimetype": r.choice(["text/plain", "text/plain; charset=utf-8", "x", "", "a/b;c=\"\\\"\""]),
        "charset": r.choice(["utf-8", "", "a b"]),
        "encoding": r.choice(["gzip", "identity", "a,b"]),
        "etag": r.choice(['"v1"', 'W/"v1"', "v1", '""']),
        "modified": r.choice([0, 1764000000, -1, 253402300799, 253402300800]),
        "size": r.choice([0, 10, 2**63 - 1, 2**63]),
        "headers": {r.choice(["X-A", "Set-Cookie", "Cache-Control", "Content-Length", "Transfer-Encoding", "X-Accel-Redirect", "Link", "Expires"]):
                    r.choice(["b", "", "a\r\nX: y", "no-store", "\u00e9", "0"])},
        "limit_rate": r.choice([0, 10**9, 2**63]),
        "limit_rate_after": r.choice([0, 2**63 - 1]),
        "cache": {"ttl": r.choice([0, 30, 2**63 - 1, -1]), "tags": r.choice([[], ["t"], ["", "u"], ["t"] * 200])},
        "unknown": 1,
    }
    for key in r.sample(sorted(more), r.randrange(4)):
        out[key] = more[key]
    # by hand: json.dumps makes no duplicates and no bad numbers
    return dump(out).encode("utf-8", "surrogatepass")


def dump(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dump(k)}: {dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(v) for v in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\' else c for c in value) + '"'
    return str(value)


def answer(r):
    """The bytes of an answer, whether the connection stays open behind it, and where it pauses."""
    lines, body = [], b""
    kind = r.randrange(10)
    status = r.choice([200] * 8 + [206, 204, 304, 302, 401, 403, 404, 410, 500, 503, 100, 101, 999])
    if kind < 5:
        body = grant(r)
        lines.append(b"Content-Type: " + r.choice([b"application/vnd.nginx-download.grant+json"] * 6 + [b"application/json", b"text/html", b""]))
    elif kind < 9:
        for _ in range(r.choice([1, 1, 1, 1, 2])):
            name = r.choice([b"X-Accel-Redirect", b"X-Sendfile", b"X-LIGHTTPD-send-file", b"X-Sendfile2"])
            value = (r.choice(PREFIXES) + r.choice(NAMES)).encode("utf-8")
            if name == b"X-Sendfile2":
                value = b",".join(value + b" %d-%s" % (r.choice([0, 3, 2**63]), r.choice([b"", b"5", b"2"])) for _ in range(r.randrange(1, 4)))
            if r.randrange(2):
                value = value.replace(b" ", b"%20")
            lines.append(name + b": " + value.replace(b"\0", b"%00"))
        body = r.choice([b"", b"ignored"])
    else:
        body = r.choice([b"", b"hello", b"x" * 70_000])
        lines.append(b"Content-Type: text/plain")
    for _ in range(r.randrange(3)):
        lines.append(r.choice([b"Set-Cookie: a=b", b"ETag: \"x\"", b"Last-Modified: Mon, 24 Nov 2025 16:00:00 GMT", b"Cache-Control: max-age=5",
                               b"Vary: *", b"Content-Encoding: gzip", b"Content-Range: bytes 0-4/10", b"X-Accel-Limit-Rate: 100000000",
                               b"X-Accel-Expires: 10", b"X-Accel-Buffering: no", b"Location: /login", b"Content-Disposition: inline", b"Expires: 0",
                               b"X-Accel-Charset: x", b"Connection: close", b"WWW-Authenticate: Basic", b"X-" + b"a" * 2000 + b": b"]))
    open_after = True
    framing = r.randrange(8)
    if framing == 0:
        open_after = False
    elif framing == 1:
        pieces, rest = [], body
        while rest:
            n = r.randrange(1, len(rest) + 1)
            pieces.append(b"%x\r\n" % n + rest[:n] + b"\r\n")
            rest = rest[n:]
        body = b"".join(pieces) + b"0\r\n\r\n"
        lines.append(b"Transfer-Encoding: chunked")
    else:
        length = len(body) + (r.choice([-1, 1, 5, 10**9]) if framing == 2 else 0)
        lines.append(b"Content-Length: %d" % max(length, 0))
    r.shuffle(lines)
    out = b"\r\n".join([b"HTTP/1.%d %d X" % (r.choice([1, 1, 1, 0]), status)] + lines + [b"", b""]) + body
    for _ in range(r.choice([0, 0, 0, 1, 1, 2, 4])):
        out = damage(r, out)
    cut = r.randrange(len(out) + 1) if r.randrange(12) == 0 else None
    if cut is not None:
        out, open_after = out[:cut], False
    return out, open_after, (r.randrange(len(out)) if out and r.randrange(4) == 0 else None)


def damage(r, data):
    at = r.randrange(len(data) + 1)
    what = r.randrange(5)
    if what == 0:
        return data[:at] + r.choice(PIECES) + data[at:]
    if what == 1 and at < len(data):
        return data[:at] + bytes([data[at] ^ (1 << r.randrange(8))]) + data[at + 1:]
    end = min(len(data), at + r.randrange(40))
    if what == 2:
        return data[:at] + data[end:]
    if what == 3:
        return data[:end] + data[at:end] + data[end:]
    return data[:at] + bytes([r.randrange(256)]) + data[at + 1:]


# --- app and client -------------------------------------------------------------------------------

class App(threading.Thread):
    """Says what `answers` has for the number in the URI that it is asked for."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.answers = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(64)

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        asked = b""
        with connection:
            try:
                while True:
                    while b"\r\n\r\n" not in asked:
                        more = connection.recv(65536)
                        if not more:
                            return
                        asked += more
                    head, asked = asked.split(b"\r\n\r\n", 1)
                    number = re.match(rb"\S+ /\w+/n(\d+)", head)
                    if not number:
                        return
                    found = self.answers.get(int(number[1]))
                    if found is None:
                        return  # asked once more, after the client has gone
                    out, open_after, pause = found
                    if pause is not None:
                        connection.sendall(out[:pause])
                        time.sleep(0.002)
                        out = out[pause:]
                    connection.sendall(out)
                    if not open_after:
                        return
            except OSError:
                return


REQUESTS = ["/dl/n{n}", "/dl/n{n}", "/dl/n{n}?explain=1", "/both/n{n}", "/cached/n{n}?k={k}", "/app/n{n}", "/app/n{n}", "/raw/n{n}"]
HEADERS = ["Range: bytes=0-4", "Range: bytes=-3", "Range: bytes=2-3,5-6", "If-None-Match: \"v1\"", "If-Modified-Since: Mon, 24 Nov 2025 16:00:00 GMT",
           "If-Range: \"v1\"", "Cookie: a=b", "Accept-Encoding: gzip", "X-Accel-Redirect: /protected/ten.txt"]


class Finding(Exception):
    pass


def ask(port, target, lines, method="GET"):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""]
        connection.sendall("\r\n".join(head).encode())
        got = []
        try:
            while data := connection.recv(1 << 16):
                got.append(data)
        except ConnectionResetError:
            pass
        except socket.timeout:
            raise Finding("the client waits for ever") from None
        return b"".join(got)


def check(got, method, target, said):
    """What no answer may look like, whatever the app said."""
    if SECRET in got:
        raise Finding("the secret went out")
    if not got:
        return "closed"
    head, mark, body = got.partition(b"\r\n\r\n")
    first = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    if not (first and mark and b"\r\nServer: nginx" in head) and target.startswith(("/app/", "/raw/")):
        # nginx passes on as HTTP/0.9 what does not begin as a response, be it by a CR in the first line
        return "passed on"
    if not mark or not first:
        raise Finding(f"not HTTP: {got[:200]!r}")
    lines = head.split(b"\r\n")[1:]
    names = [line.split(b":")[0].lower() for line in lines]
    if any(re.fullmatch(rb"x-(accel-(redirect|buffering|charset|expires|limit-rate)|sendfile2?|lighttpd-send-file)", name) for name in names):
        raise Finding(f"what is for the server went out: {head!r}")
    status = int(first[1])
    if status not in (200, 206) or target.startswith(("/app/", "/raw/")):
        # of what is passed on nginx makes what it makes without the module
        return status
    # cookies go out as the app said them, as with nginx; no line of them breaks off
    relayed = [line for line in lines if line.lower().startswith(b"set-cookie:")]
    if any(c in b"\0\r\n" for line in relayed for c in line):
        raise Finding(f"a cookie that breaks a line: {head!r}")
    if any(c < 32 and c != 9 or c == 127 for line in lines if line not in relayed for c in line):
        raise Finding(f"control characters in the head: {head!r}")
    for name in (b"content-length", b"content-type", b"content-range", b"content-disposition", b"etag", b"last-modified", b"transfer-encoding"):
        if names.count(name) > 1:
            raise Finding(f"{name!r} comes more than once: {head!r}")
    field = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in lines}
    length = int(field.get(b"content-length", -1))
    if method == "HEAD" or "explain" in target:
        return status
    if length >= 0 and len(body) != length:
        raise Finding(f"{len(body)} bytes, and not as many as it says: {head!r}")
    # what the app itself was to be the file may be anything, and be remembered
    said = re.sub(rb"\r\n[0-9a-fA-F]*\r\n", b"", said)  # be it in chunks
    if any(word in said for word in (b"content", b"base64")) or target.startswith("/cached/"):
        return status
    one = re.fullmatch(rb"bytes (\d+)-(\d+)/(\d+)", field.get(b"content-range", b""))
    start, last, size = map(int, one.groups()) if one else (0, len(body) - 1, len(body))
    if b"multipart/byteranges" not in field.get(b"content-type", b""):
        whole = [data for data in [*FILES.values(), b"alive"] if len(data) == size]
        if not any(data[start:last + 1] == body for data in whole):
            raise Finding(f"no file: {head!r} {body[:200]!r}")
    return status


# --- nginx ---------------------------------------------------------------------------------------

class Nginx:
    def __init__(self, options):
        self.dir = tempfile.mkdtemp(prefix="fuzz-nginx-")
        os.chmod(self.dir, 0o755)
        for name in ("logs", "tmp", "files/sub"):
            os.makedirs(f"{self.dir}/{name}")
        for name, data in FILES.items():
            with open(f"{self.dir}/files/{name}", "wb") as file:
                file.write(data)
        with open(f"{self.dir}/secret.txt", "wb") as file:
            file.write(SECRET * 100)
        os.symlink("../secret.txt", f"{self.dir}/files/link.txt")
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", options.port))
            self.port = free.getsockname()[1]
        self.app = App(f"{self.dir}/app.sock")
        self.app.start()
        user = "user root;" if os.getuid() == 0 else ""
        with open(f"{self.dir}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(CONF.format(module=options.module, dir=self.dir, port=self.port, user=user))
        here = os.path.dirname(os.path.abspath(__file__))
        report = f"log_path={self.dir}/logs/report"
        environment = dict(os.environ, ASAN_OPTIONS=f"{report}:detect_leaks=1:detect_stack_use_after_return=1", UBSAN_OPTIONS=f"{report}:print_stacktrace=1",
                           LSAN_OPTIONS=f"suppressions={here}/../scripts/sanitizers/lsan.supp:print_suppressions=0")
        self.process = subprocess.Popen([options.nginx, "-e", f"{self.dir}/logs/error.log", "-p", self.dir, "-c", f"{self.dir}/nginx.conf"], env=environment)
        for _ in range(400):
            try:
                ask(self.port, "/alive", [])
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(self.log()) from None
                time.sleep(0.05)
        self.worker = self.workers()

    def workers(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return file.read().split()

    def log(self):
        with open(f"{self.dir}/logs/error.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def sound(self):
        if b"alive" not in ask(self.port, "/alive", []):
            raise Finding("nginx does not answer")
        if self.workers() != self.worker:
            raise Finding("the worker died")
        for line in self.log().splitlines():
            if re.match(r"\S+ \S+ \[(alert|crit|emerg)\]", line):
                raise Finding(line)
        self.no_reports()

    def no_reports(self):
        for name in os.listdir(f"{self.dir}/logs"):
            if name.startswith("report"):
                with open(f"{self.dir}/logs/{name}", encoding="utf-8", errors="replace") as file:
                    raise Finding(file.read())

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nginx", required=True)
    options.add_argument("--module", required=True)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=None, help="of the answers; otherwise the time")
    options.add_argument("--port", type=int, default=0)
    options = options.parse_args()
    seed = options.seed if options.seed is not None else int(time.time())
    nginx = Nginx(options)
    numbers, fates, story, found = itertools.count(), {}, collections.deque(maxlen=2 * LANES), []
    end = time.monotonic() + options.seconds

    def lane():
        while time.monotonic() < end and not found:
            number = next(numbers)
            r = random.Random(f"{seed} {number}")
            said = answer(r)
            nginx.app.answers[number] = said
            target = r.choice(REQUESTS).format(n=number, k=r.randrange(50))
            lines, method = r.sample(HEADERS, r.randrange(3)), r.choice(["GET"] * 6 + ["HEAD"])
            story.append((number, method, target, lines, said))
            try:
                fate = check(ask(nginx.port, target, lines, method), method, target, said[0])
            except (Finding, OSError) as finding:
                found.append((number, finding))
                return
            fates[fate] = fates.get(fate, 0) + 1
            del nginx.app.answers[number]

    lanes = [threading.Thread(target=lane) for _ in range(LANES)]
    for thread in lanes:
        thread.start()
    try:
        while any(thread.is_alive() for thread in lanes):
            time.sleep(1)
            nginx.sound()
        nginx.stop()
        nginx.no_reports()
    except (Finding, OSError) as finding:
        found.append((None, finding))
    nginx.stop()
    for thread in lanes:
        thread.join()
    told = ", ".join(f"{fates[fate]} x {fate}" for fate in sorted(fates, key=str))
    print(f"{'nginx':<12} {next(numbers):>11} answers, seed {seed}, {len(found)} found ({told})")
    if found:
        for number, finding in found:
            print(f"answer {number}: {type(finding).__name__}: {finding}")
        print("the last answers:")
        for step in story:
            print("   ", str(step)[:2000])
        print(f"kept: {nginx.dir}")
        return 1
    shutil.rmtree(nginx.dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
