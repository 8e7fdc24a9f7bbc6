"""What scripts/bench and scripts/soak share: servers on loopback, each in a folder of this run, that are
started, looked at in /proc, and ended."""

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

TICK = os.sysconf("SC_CLK_TCK")
# nothing of the caller's environment: what is measured must not depend on it
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Wrong(Exception):
    """Something that makes the result worthless."""


def end_by_exit():
    """So that servers are ended, whatever signal ends this program."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


class Folder:
    """A folder with the files to send and the servers' own, and the servers that run."""

    def __init__(self, name, port):
        # by a name of always the same length: paths are hashed and copied for each request
        self.dir = File(tempfile.mkdtemp(prefix=f"nginx-download-{name}.", dir="/tmp"))
        self.values = {"dir": self.dir}
        self.next_port = port
        self.running = {}
        try:
            self.dir.chmod(0o755)
            for folder in ("files", "tmp"):
                (self.dir / folder).mkdir()
            (self.dir / "tmp").chmod(0o777)
            self.set_up()
        except BaseException:
            self.close()
            raise

    def set_up(self):
        """What else is to be there from the start: for those that have more than a folder."""

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

    def configure(self, source, edit=lambda text: text, to=None, **values):
        """Writes a configuration to the folder, with what stands between @s."""
        values = self.values | values
        text = re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), edit(source.read_text()))
        file = self.dir / (to or source.name)
        file.write_text(text)
        return file

    def close(self):
        for server in list(self.running.values()):
            server.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """A program, from its start to stop(). What it prints goes to NAME.out in the folder; in its tmp/,
    NAME.log is its log and NAME.pid has its pid, if it writes these."""

    def __init__(self, folder, name, command, rights=(), environment=None):
        self.folder, self.name = folder, name
        self.pid_file = folder.dir / "tmp" / f"{name}.pid"
        self.pid_file.unlink(missing_ok=True)
        # whatever becomes of this program, its servers end
        command = ["setpriv", "--pdeathsig", "TERM", *rights, "--", *map(str, command)]
        with self.out().open("w") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=ENVIRONMENT | (environment or {}), start_new_session=True)
        folder.running[name] = self

    def wait_until_up(self, address):
        """Until somebody listens: at a port, or a unix socket."""
        family, address = (socket.AF_INET, ("127.0.0.1", address)) if isinstance(address, int) else (socket.AF_UNIX, str(address))
        end = time.monotonic() + 60
        while time.monotonic() < end and self.runs():
            with socket.socket(family) as s:
                try:
                    s.connect(address)
                    return
                except OSError:
                    time.sleep(0.02)
        said = self.out().read_text() + self.log()
        self.stop()
        raise Wrong(f"{self.name} does not start:\n{said}")

    def runs(self):
        return self.process.poll() is None

    def out(self):
        return self.folder.dir / f"{self.name}.out"

    def log(self):
        file = self.folder.dir / "tmp" / f"{self.name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

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
        self.folder.running.pop(self.name, None)
        try:
            pid = int(self.pid_file.read_text())  # under strace it is a child
        except (OSError, ValueError):
            pid = self.process.pid
        # again and again: nginx, looking at its signals before it waits for events, may miss one
        for _ in range(40):
            try:
                if self.runs():
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
        return self.out().read_text(errors="replace")
