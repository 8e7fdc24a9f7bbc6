"""The servers that are measured, each configured by a file in conf/."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path as File

from paths import MODIFIED, SECRET, SIZES
from processes import Folder, Server

CONF = File(__file__).parent / "conf"
# what a server needs that may be absent
NEEDS = {
    "lua": "/usr/lib/nginx/modules/ngx_http_lua_module.so",
    "lighttpd": "/usr/sbin/lighttpd",
    "apache": "/usr/lib/apache2/modules/mod_xsendfile.so",
    "caddy": "/usr/bin/caddy",
}
# what is counted must not depend on the processor, by which glibc chooses among its functions for strings
PLAIN_GLIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-BMI2,-LZCNT,-MOVBE,-ERMS,-FSRM"}


class Servers(Folder):
    def __init__(self, nginx, module, port, sizes=SIZES):
        self.nginx, self.module, self.sizes = nginx, module, sizes
        super().__init__("bench", port)

    def set_up(self):
        (self.dir / "docs").mkdir()
        for link in ("static", "protected", "opened"):
            (self.dir / "docs" / link).symlink_to("../files")
        block = os.urandom(min(1 << 20, max(self.sizes.values())))
        for name, size in self.sizes.items():
            file = self.dir / "files" / name
            with file.open("wb") as out:
                for start in range(0, size, len(block) or 1):
                    out.write(block[: size - start])
            os.utime(file, (MODIFIED, MODIFIED))
        (self.dir / "links.key").write_text(SECRET + "\n")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
        subprocess.run([*command.split(), "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem"], check=True, capture_output=True)
        self.values |= {"module": self.module, "secret": SECRET, "app_port": self.free_port()}
        self.configure(CONF / "common.conf")

    def command(self, name, conf, alone):
        """alone: in one process, for those that look into it."""
        if name == "lighttpd":
            return ["/usr/sbin/lighttpd", "-D", "-f", conf]
        if name == "apache":
            return ["/usr/sbin/apache2", "-X" if alone else "-DFOREGROUND", "-f", conf]
        if name == "caddy":
            return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", conf]
        nginx = "/usr/sbin/nginx" if name == "lua" else self.nginx
        return [nginx, "-p", self.dir, "-c", conf, "-e", self.dir / "tmp" / f"{name}.log", "-g", "daemon off;" + (" master_process off;" if alone else "")]

    def start(self, name, wrapper=(), alone=False, edit=lambda text: text, environment=None):
        port, tls_port = self.free_port(), self.free_port()
        source = {"caddy": "Caddyfile", **dict.fromkeys(WITHOUT, "module.conf")}.get(name, f"{name}.conf")
        conf = self.configure(CONF / source, lambda text: edit(without(name, text)), to=f"{name}.conf", port=port, tls_port=tls_port)
        rights = []
        if alone and name == "apache" and os.getuid() == 0:
            # it would give up root's rights later, and valgrind could not write then
            rights = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        server = Measured(self, name, [*wrapper, *self.command(name, conf, alone)], rights, environment)
        server.port, server.tls_port = port, tls_port
        if name == "app":
            self.start_passing()
        server.wait_until_up(self.values["app_port"] if name == "app" else port)
        return server

    def start_passing(self):
        """The app that passes descriptors, which nginx cannot play."""
        program, sock = File(__file__).parent / "passing.py", self.dir / "passing.sock"
        Server(self, "passing", [sys.executable, program, self.dir / "files", sock]).wait_until_up(sock)

    def app_requests(self):
        """How many requests the app has had; this one counts."""
        with socket.create_connection(("127.0.0.1", self.values["app_port"]), 5) as s:
            s.sendall(b"GET /count HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: s.recv(4096), b""))
        return int(text.split(b"requests\n")[1].split()[2])


# module.conf, and which of its lines are left out
WITHOUT = {"bare": "load_module|download", "idle": "download"}


def without(name, text):
    if name not in WITHOUT:
        return text
    return re.sub(rf"^ *({WITHOUT[name]})\w* .*\n", "", text, flags=re.MULTILINE).replace("/tmp/module.", f"/tmp/{name}.")


def absent():
    return [name for name, file in NEEDS.items() if not os.path.exists(file)]


class Measured(Server):
    def url(self, path, file, protocol="http"):
        scheme, port = ("http", self.port) if protocol == "http" else ("https", self.tls_port)
        return f"{scheme}://127.0.0.1:{port}{path.target(file)}"
