"""The paths that are measured, and in which tables: a row is an entry here, and if it needs one a
location in conf/."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Callable

# constant, as are the files' times: the length of everything is the same in each run
COOKIE = "sessionid=5uiq2bcl1o9kfb0t6xw4h8zrm3vdyn7j"
SECRET = "5c1d7b0e4f0a4b6f9a7e3d2c1b0a9f8e"
EXPIRES = 4102444800
MODIFIED = 1700000000
MODIFIED_HTTP = "Tue, 14 Nov 2023 22:13:20 GMT"

SIZES = {"0": 0, "1k": 1024, "16k": 16384, "1m": 1 << 20, "1g": 1 << 30}
SIZE_NAMES = {"0": "0 B", "1k": "1 KB", "16k": "16 KB", "1m": "1 MB", "1g": "1 GB"}

# what is asked for: the header field, and the status that comes
WAYS = {
    "full": (None, 200),
    "range": ("Range: bytes=100-199", 206),
    "304": (f"If-Modified-Since: {MODIFIED_HTTP}", 304),
    "HEAD": (None, 200),
}
WAY_NAMES = {"full": "", "range": ", one range", "304": ", 304", "HEAD": ", HEAD"}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def below(prefix):
    return lambda file: f"/{prefix}/{file}"


def hmac_link(file):
    url = f"/hmac/{file}?expires={EXPIRES}"
    return f"{url}&signature={base64url(hmac.digest(SECRET.encode(), url.encode(), 'sha256'))}"


def md5_link(prefix):
    def link(file):
        text = f"{EXPIRES}/{prefix}/{file} {SECRET}"
        return f"/{prefix}/{file}?md5={base64url(hashlib.md5(text.encode()).digest())}&expires={EXPIRES}"

    return link


@dataclass(frozen=True)
class Path:
    name: str  # in the tables
    server: str  # of servers.py
    target: Callable  # of a file's name
    kind: str  # ceiling; rival: decides who may have the file; ours; else plain
    # how often app.conf is asked for each request, once it has been; passing.py is not counted
    asks: int = 0


PATHS = {
    "static": Path("nginx, static", "stock", below("static"), "plain"),
    "opened": Path("nginx, static + open_file_cache", "stock", below("opened"), "ceiling"),
    "x-accel-tcp": Path("X-Accel-Redirect, app over TCP", "stock", below("x-accel-tcp"), "rival", 1),
    "x-accel": Path("X-Accel-Redirect, app over unix", "stock", below("x-accel"), "rival", 1),
    "auth": Path("auth_request", "stock", below("auth"), "rival", 1),
    "auth-cached": Path("auth_request + proxy_cache", "stock", below("auth-cached"), "rival"),
    "secure-link": Path("secure_link (MD5)", "stock", md5_link("secure-link"), "rival"),
    "lua-cached": Path("Lua, shared dict", "lua", below("cached"), "rival"),
    "lua-asked": Path("Lua, app asked", "lua", below("asked"), "rival", 1),
    "lighttpd-static": Path("lighttpd, static", "lighttpd", below("static"), "plain"),
    "lighttpd": Path("lighttpd, X-Sendfile", "lighttpd", below("x-sendfile"), "rival", 1),
    "apache": Path("Apache, mod_xsendfile", "apache", below("x-sendfile"), "rival", 1),
    "caddy-static": Path("Caddy, static", "caddy", below("static"), "plain"),
    "caddy": Path("Caddy, X-Accel-Redirect", "caddy", below("x-accel"), "rival", 1),
    # the same configuration as "loaded" has, without the module, and with it but without its directives
    "bare": Path("static + open_file_cache, configured as the next", "bare", below("opened"), "plain"),
    "idle": Path("static + open_file_cache, module loaded, no directive", "idle", below("opened"), "plain"),
    "loaded": Path("static + open_file_cache, module loaded, used elsewhere", "module", below("opened"), "plain"),
    "storage": Path("**storage**, nobody asked", "module", below("storage"), "ours"),
    "cached": Path("**cached** grant", "module", below("cached"), "ours"),
    "asked-tcp": Path("**asked** over TCP", "module", below("asked-tcp"), "ours", 1),
    "asked": Path("**asked** over unix", "module", below("asked"), "ours", 1),
    "signed": Path("**signed** (HMAC-SHA256)", "module", hmac_link, "ours"),
    "signed-md5": Path("**signed** (secure-link, MD5)", "module", md5_link("md5"), "ours"),
    "intercepted": Path("**intercepted** X-Accel-Redirect", "module", below("x-accel"), "ours", 1),
    "intercepted-tcp": Path("**intercepted** X-Accel-Redirect, TCP", "module", below("x-accel-tcp"), "ours", 1),
    "passed": Path("**descriptor** with a grant", "module", below("passed"), "ours"),
    "passed-on": Path("**descriptor**, X-Sendfile-Fd", "module", below("passed-on"), "ours"),
    "intercepted-sendfile": Path("**intercepted** X-Sendfile", "module", below("x-sendfile"), "ours", 1),
}


@dataclass(frozen=True)
class Row:
    path: str
    way: str = "full"

    @property
    def id(self):
        return self.path if self.way == "full" else f"{self.path}, {self.way}"

    @property
    def name(self):
        return PATHS[self.path].name + WAY_NAMES[self.way]


def rows(*ids):
    return [Row(*id.split(", ")) for id in ids]


@dataclass(frozen=True)
class Group:
    """Rows that are measured in turns and compared with each other."""

    size: str
    protocol: str  # http, tls, h2
    rows: list
    way: str = "full"  # what the ceiling and the rivals in it are asked


FEW = ["static", "opened", "x-accel", "lighttpd", "apache", "caddy", "cached", "signed", "asked"]
LARGE = [
    "static", "opened", "x-accel", "lighttpd-static", "lighttpd", "apache", "caddy-static", "caddy",
    "cached", "signed", "intercepted", "passed",
]  # fmt: skip
NGINX = ["static", "opened", "x-accel", "auth-cached", "secure-link", "cached", "signed", "intercepted", "asked"]

TIMED = [
    Group("0", "http", rows(*FEW)),
    Group("1k", "http", rows(*(id for id in PATHS if id not in ("bare", "idle")))),
    Group("1k", "http", rows("opened, range", "x-accel, range", "cached, range", "signed, range"), "range"),
    Group("1k", "http", rows("opened, 304", "x-accel, 304", "cached, 304", "signed, 304"), "304"),
    Group("16k", "http", rows(*FEW)),
    Group("1m", "http", rows(*LARGE)),
    Group("1g", "http", rows(*LARGE)),
    Group("1k", "tls", rows(*NGINX)),
    Group("1m", "tls", rows("opened", "x-accel", "cached")),
    Group("1k", "h2", rows(*NGINX)),
    # by h2load, since wrk waits for HEAD's body
    Group("1k", "h2", rows("opened, HEAD", "x-accel, HEAD", "cached, HEAD", "signed, HEAD"), "HEAD"),
    Group("1m", "h2", rows("opened", "x-accel", "cached")),
]

# Instructions and system calls: servers that run in one process, and so under valgrind.
COUNTED = rows(
    *(id for id, path in PATHS.items() if path.server != "caddy"),
    "opened, range", "x-accel, range", "cached, range", "signed, range", "intercepted, range",
    "opened, 304", "x-accel, 304", "cached, 304",
    "opened, HEAD", "x-accel, HEAD", "cached, HEAD",
)  # fmt: skip

# What scripts/test holds.
GATE_BASE = "opened"
# (Over a unix socket the app's reading wakes nginx as well, sometimes: TCP is exact.)
GATE = rows("cached", "cached, range", "signed", "intercepted-tcp")
# What those who do not use the module may pay for it, of what they have without it. (The latter is a few
# instructions in each filter and phase, and how strings happen to be aligned.)
BARE = Row("bare")
UNTOUCHED = {Row("idle"): 0.01, Row("loaded"): 0.015}
