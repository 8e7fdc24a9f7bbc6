"""What all campaigns stand on: nginx with the module, the app, what can be seen of them from outside,
and the verdict."""

import base64
import hmac
import json
import os
import re
import sys
import time
from pathlib import Path as File

from processes import Folder, Server, Wrong
from wire import Kept, request

HERE = File(__file__).parent
SIZES = {"empty": 0, "small": 100, "inline": 8192, "medium": 8193, "pages": 100_000, "large": 1_000_000}
KEY = b"the key of scripts/soak, not a secret"


class Testbed(Folder):
    def __init__(self, options, workers=2, apps=1, level="warn", head="1k"):
        self.options, self.apps = options, apps
        self.settings = {"module": options.module, "workers": workers, "level": level, "head": head}
        super().__init__("soak", options.port)

    def set_up(self):
        self.fill()
        self.port = self.free_port()
        sockets = [self.dir / f"app{number}.sock" for number in range(self.apps)]
        servers = " ".join(f"server unix:{socket} max_fails=0;" for socket in sockets)
        for socket in sockets:
            Server(self, socket.stem, [sys.executable, HERE / "app.py", self.dir / "files", socket]).wait_until_up(socket)
        conf = self.configure(HERE / "nginx.conf", port=self.port, apps=servers, **self.settings)
        self.nginx = Server(self, "nginx", [self.options.nginx, "-p", self.dir, "-c", conf, "-e", self.dir / "tmp" / "nginx.log"])
        self.nginx.wait_until_up(self.port)
        # until workers have opened what they have open when nobody asks
        if not wait_for(lambda: len(self.serving()) == self.settings["workers"], 10):
            self.fail("workers are missing")
        time.sleep(1)

    def fill(self):
        for name, size in SIZES.items():
            (self.dir / "files" / f"{name}.txt").write_bytes(os.urandom(size))
        (self.dir / "key").write_bytes(KEY + b"\n")

    def files(self):
        return {file.name: file.read_bytes() for file in sorted((self.dir / "files").iterdir())}

    def fail(self, what):
        raise Wrong(f"{what}\n{self.nginx.log()[-3000:]}")

    def must_run(self):
        for server in self.running.values():
            if not server.runs():
                self.fail(f"{server.name} has ended")

    # --- what is seen of the workers ----------------------------------------------------------

    def workers(self):
        master = self.nginx.process.pid
        return sorted(map(int, read(master, f"task/{master}/children").split()))

    def serving(self):
        """Those that take requests: not those that were told to end."""
        return [pid for pid in self.workers() if b"shutting down" not in read(pid, "cmdline")]

    def sample(self, requests):
        """Memory and descriptors of the workers after so many requests; nothing amid a reload."""
        workers = self.serving()
        rss, open_now = [resident(pid) for pid in workers], [descriptors(pid) for pid in workers]
        if len(workers) != self.settings["workers"] or None in rss + open_now:
            return None
        return {"requests": requests, "rss": sum(rss), "descriptors": sum(open_now), "workers": workers}

    def descriptors(self):
        return sum(descriptors(pid) or 0 for pid in self.serving())

    def rest(self, most):
        """Descriptors of the workers once nobody asks, and there are at most so many."""
        wait_for(lambda: self.descriptors() <= most, 20)
        return self.descriptors()

    def status(self):
        return json.loads(Kept(self.port).ask(request("/status?format=json")).body)

    def alerts(self):
        return [line for line in self.nginx.log().splitlines() if re.search(r"\[(alert|emerg|crit)\]", line)]


def signed(name):
    url = f"/signed/{name}?expires=4102444800"
    mac = base64.urlsafe_b64encode(hmac.digest(KEY, url.encode(), "sha256")).decode().rstrip("=")
    return f"{url}&signature={mac}"


def wait_for(there, seconds):
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def read(pid, what):
    try:
        return File(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""  # it is gone


def resident(pid):
    found = re.search(rb"VmRSS:\s+(\d+)", read(pid, "status"))
    return int(found[1]) * 1024 if found else None


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def slope(points):
    """Of the second half of the points (x, y), by least squares."""
    if not points:
        return 0.0
    middle = (points[0][0] + points[-1][0]) / 2
    points = [(x, y) for x, y in points if x >= middle]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Verdict:
    """A line for each thing that has to hold, and one in the end for all."""

    def __init__(self):
        self.fine, self.summary, self.details = True, "", []

    def check(self, holds, text):
        self.fine = self.fine and holds
        print(f"{'ok     ' if holds else 'FAILED '} {text}", flush=True)

    def check_answers(self, bed, wrong):
        """What has to hold in each campaign."""
        alerts = bed.alerts()
        self.check(not wrong, f"{len(wrong)} wrong answers")
        self.check(not alerts, f"{len(alerts)} alerts in the log")
        self.details += wrong[:10] + alerts[:10]

    def end(self, campaign):
        """The exit status."""
        print("\n".join([*self.details, f"{'holds' if self.fine else 'DOES NOT HOLD'}: {campaign}: {self.summary}"]))
        return 0 if self.fine else 1
