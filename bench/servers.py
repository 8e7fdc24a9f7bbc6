"""Servers on loopback, each configured by a file in conf/: started, watched, and ended."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path as File

from paths import MODIFIED, SECRET, SIZES

CONF = File(__file__).parent / "conf"
TICK = os.sysconf("SC_CLK_TCK")
# what a server needs that may be absent
NEEDS = {
    "lua": "/usr/lib/nginx/modules/ngx_http_lua_module.so",
    "lighttpd": "/usr/sbin/lighttpd",
    "apache": "/usr/lib/apache2/modules/mod_xsendfile.so",
    "caddy": "/usr/bin/caddy",
}
# nothing of the caller's environment: what is counted must not depend on it
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}
# nor on the processor, by which glibc chooses among its functions for strings
PLAIN_GLIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-BMI2,-LZCNT,-MOVBE,-ERMS,-FSRM"}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Wrong(Exception):
    """Something that makes what is measured worthless."""


class Servers:
    """A folder with the files to send and the servers' own, and the servers that run."""

    def __init__(self, nginx, module, port, sizes=SIZES):
        # by a name of always the same length: paths are hashed and copied for each request
        self.dir = File(tempfile.mkdtemp(prefix="nginx-download-bench.", dir="/tmp"))
        self.nginx, self.module = nginx, module
        self.values = {"dir": self.dir, "module": module, "secret": SECRET}
        self.next_port = port
        self.running = {}
        self.passing = None
        try:
            self.fill(sizes)
        except BaseException:
            self.close()
            raise

    def fill(self, sizes):
        self.dir.chmod(0o755)
        for folder in ("files", "docs", "tmp"):
            (self.dir / folder).mkdir()
        (self.dir / "tmp").chmod(0o777)
        for link in ("static", "protected", "opened"):
            (self.dir / "docs" / link).symlink_to("../files")
        block = os.urandom(min(1 << 20, max(sizes.values())))
        for name, size in sizes.items():
            file = self.dir / "files" / name
            with file.open("wb") as out:
                for start in range(0, size, len(block) or 1):
                    out.write(block[: size - start])
            os.utime(file, (MODIFIED, MODIFIED))
        (self.dir / "links.key").write_text(SECRET + "\n")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
        subprocess.run([*command.split(), "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem"], check=True, capture_output=True)
        self.values["app_port"] = self.free_port()
        self.configure("common.conf")

    def free_port(self):
        for port in range(self.next_port, self.next_port + 500):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self.next_port = port + 1
            return port
        raise Wrong(f"no free port from {self.next_port} on: give another by --port")

    def configure(self, name, edit=lambda text: text, to=None, **values):
        """Writes a file of conf/ to the folder, with what stands between @s."""
        values = self.values | values
        text = re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), edit((CONF / name).read_text()))
        file = self.dir / (to or name)
        file.write_text(text)
        return file

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
        conf = self.configure(source, lambda text: edit(without(name, text)), to=f"{name}.conf", port=port, tls_port=tls_port)
        (self.dir / "tmp" / f"{name}.pid").unlink(missing_ok=True)
        # whatever becomes of this program, its servers end
        command = ["setpriv", "--pdeathsig", "TERM"]
        if alone and name == "apache" and os.getuid() == 0:
            # it would give up root's rights later, and valgrind could not write then
            command += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        command += ["--", *wrapper, *self.command(name, conf, alone)]
        with (self.dir / f"{name}.out").open("w") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=ENVIRONMENT | (environment or {}), start_new_session=True)
        if name == "app":
            self.start_passing()
        server = Server(self, name, process, port, tls_port)
        self.running[name] = server
        server.wait_until_up(self.values["app_port"] if name == "app" else port)
        return server

    def start_passing(self):
        """The app that passes descriptors, which nginx cannot play."""
        program = File(__file__).parent / "passing.py"
        command = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, program, self.dir / "files", self.dir / "passing.sock"]
        self.passing = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=ENVIRONMENT, start_new_session=True)

    def close(self):
        if self.passing:
            self.passing.terminate()
            self.passing.wait()
        for server in list(self.running.values()):
            server.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

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


class Server:
    def __init__(self, servers, name, process, port, tls_port):
        self.servers, self.name, self.process, self.port, self.tls_port = servers, name, process, port, tls_port

    def wait_until_up(self, port):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        said = (self.servers.dir / f"{self.name}.out").read_text() + self.log()
        self.stop()
        raise Wrong(f"{self.name} does not start:\n{said}")

    def log(self):
        file = self.servers.dir / "tmp" / f"{self.name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def url(self, path, file, protocol="http"):
        scheme, port = ("http", self.port) if protocol == "http" else ("https", self.tls_port)
        return f"{scheme}://127.0.0.1:{port}{path.target(file)}"

    def tree(self):
        """The server's processes."""
        parents = {}
        for stat in File("/proc").glob("[0-9]*/stat"):
            try:
                parents.setdefault(int(stat.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(stat.parent.name))
            except OSError:
                pass  # it is gone
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += parents.get(pid, [])
        return found

    def workers(self):
        pids = self.tree()
        return pids[1:] or pids

    def cpu(self):
        """Seconds of CPU so far, of all processes."""
        ticks = 0
        for pid in self.tree():
            fields = File(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self):
        """Bytes that the workers have for themselves, and those that they have of zones."""
        own = zones = 0
        for pid in self.workers():
            for mapping in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", File(f"/proc/{pid}/smaps").read_text()):
                size = {name: int(kb) * 1024 for name, kb in re.findall(r"^(\w+): +(\d+) kB", mapping, re.MULTILINE)}
                if "/dev/zero" in mapping.split("\n", 1)[0]:
                    zones += size["Rss"]
                else:
                    own += size["Private_Clean"] + size["Private_Dirty"]
        return own, zones

    def stop(self):
        self.servers.running.pop(self.name, None)
        pid_file = self.servers.dir / "tmp" / f"{self.name}.pid"
        try:
            pid = int(pid_file.read_text())  # under strace it is a child
        except (OSError, ValueError):
            pid = self.process.pid
        # again and again: nginx, looking at its signals before it waits for events, may miss one
        for _ in range(40):
            try:
                if self.process.poll() is None:
                    os.kill(pid, signal.SIGTERM)
                self.process.wait(0.5)
                break
            except ProcessLookupError:
                pid = self.process.pid
            except subprocess.TimeoutExpired:
                pass
        else:
            self.process.kill()
            self.process.wait(5)
        return (self.servers.dir / f"{self.name}.out").read_text(errors="replace")
