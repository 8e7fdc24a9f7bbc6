"""What scripts/soak runs, once everything is there."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path as File

HERE = File(__file__).parent
CLIENTS = 4
HUP = 30  # seconds
CALM = 0.2  # the share at the end without reloads, for the memory of one worker
SIZES = {"empty": 0, "small": 100, "inline": 8192, "medium": 8193, "pages": 100_000, "large": 1_000_000}
# per request, bytes; descriptors over those at the start
MOST_GROWTH, MOST_DESCRIPTORS = 1.0, 4


class Wrong(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


class Soak:
    def __init__(self, options):
        self.options = options
        self.dir = File(tempfile.mkdtemp(prefix="nginx-download-soak."))
        self.processes, self.told, self.samples = [], {}, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *command, **more):
        command = ["setpriv", "--pdeathsig", "TERM", "--", *map(str, command)]
        process = subprocess.Popen(command, start_new_session=True, text=True, **({"stdin": subprocess.DEVNULL} | more))
        self.processes.append(process)
        return process

    def set_up(self):
        for folder in ("files", "tmp"):
            (self.dir / folder).mkdir()
        self.dir.chmod(0o755)
        (self.dir / "tmp").chmod(0o777)
        for name, size in SIZES.items():
            (self.dir / "files" / f"{name}.txt").write_bytes(os.urandom(size))
        (self.dir / "key").write_text("the key of scripts/soak, not a secret\n")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        values = {"dir": self.dir, "port": self.port, "module": self.options.module}
        conf = re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), (HERE / "nginx.conf").read_text())
        (self.dir / "nginx.conf").write_text(conf)
        self.app = self.start(sys.executable, HERE / "app.py", self.dir / "files", self.dir / "app.sock")
        self.wait(lambda: (self.dir / "app.sock").exists(), "the app")
        self.nginx = self.start(self.options.nginx, "-p", self.dir, "-c", self.dir / "nginx.conf", "-e", self.dir / "error.log")
        self.wait(self.is_up, "nginx")

    def is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def wait(self, there, what, seconds=30):
        end = time.monotonic() + seconds
        while not there():
            if time.monotonic() > end:
                raise Wrong(f"{what}: not there after {seconds} s\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        file = self.dir / "error.log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    def workers(self):
        """Those that take requests: not those that were told to end."""
        pids = File(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split()
        found = []
        for pid in pids:
            try:
                if b"shutting down" not in File(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def client(self, number):
        process = self.start(sys.executable, HERE / "client.py", self.port, self.dir / "files", self.options.seed + str(number), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def listen():
            for line in process.stdout:
                self.told[number] = json.loads(line)

        thread = threading.Thread(target=listen)
        thread.start()
        return process, thread

    def sum(self, name):
        return sum(told[name] for told in list(self.told.values()))

    def sample(self):
        rss, descriptors = [], []
        for pid in self.workers():
            try:
                rss.append(int(re.search(r"VmRSS:\s+(\d+)", File(f"/proc/{pid}/status").read_text())[1]) * 1024)
                descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))
            except (OSError, TypeError):
                pass
        if len(rss) == 2:
            self.samples.append({"requests": self.sum("requests"), "rss": sum(rss), "descriptors": sum(descriptors), "workers": sorted(self.workers()), "time": time.monotonic()})

    def rest(self):
        """Descriptors of the workers when nobody asks."""
        end, least = time.monotonic() + 20, None
        while time.monotonic() < end:
            counts = [len(os.listdir(f"/proc/{pid}/fd")) for pid in self.workers()]
            least = min(sum(counts), least or sum(counts))
            time.sleep(0.5)
        return least

    def run(self):
        self.set_up()
        time.sleep(1)
        before = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.workers())
        clients = [self.client(number) for number in range(CLIENTS)]
        started = last_hup = told = time.monotonic()
        reloads = 0
        while (done := self.sum("requests")) < self.options.requests:
            time.sleep(0.5)
            now = time.monotonic()
            self.sample()
            if any(told["wrong"] for told in list(self.told.values())):
                break
            if any(process.poll() is not None for process, _ in clients) or self.nginx.poll() is not None or self.app.poll() is not None:
                raise Wrong(f"something ended\n{self.log()}")
            if now - last_hup > HUP and done < self.options.requests * (1 - CALM):
                self.nginx.send_signal(signal.SIGHUP)
                last_hup, reloads = now, reloads + 1
            if now - told > 15:
                say(f"  {done:,} requests, {done / (now - started):,.0f}/s, {reloads} reloads")
                told = now
        for process, thread in clients:
            process.stdin.close()
            process.wait(30)
            thread.join()
        seconds = time.monotonic() - started
        counts = {name: self.sum(name) for name in next(iter(self.told.values())) if name != "wrong"}
        wrong = [line for told in self.told.values() for line in told["wrong"]]
        alerts = [line for line in (self.dir / "error.log").read_text(errors="replace").splitlines() if re.search(r"\[(alert|emerg|crit)\]", line)]
        return {
            "counts": counts, "wrong": wrong, "alerts": alerts, "seconds": seconds, "reloads": reloads,
            "descriptors": {"before": before, "after": self.rest()}, "growth": self.growth(), "samples": self.samples,
        }  # fmt: skip

    def growth(self):
        """Bytes of memory per request, of the workers that were there at the end; by least squares over
        the second half of what they served."""
        last = self.samples[-1]["workers"]
        own = [s for s in self.samples if s["workers"] == last]
        own = [s for s in own if s["requests"] >= (own[0]["requests"] + own[-1]["requests"]) / 2]
        n = len(own)
        mean_x, mean_y = sum(s["requests"] for s in own) / n, sum(s["rss"] for s in own) / n
        spread = sum((s["requests"] - mean_x) ** 2 for s in own)
        if not spread:
            return 0.0
        return sum((s["requests"] - mean_x) * (s["rss"] - mean_y) for s in own) / spread


def judge(result):
    """Lines, and whether all is well."""
    counts, descriptors = result["counts"], result["descriptors"]
    good = counts["files"] + counts["parts"]
    lines = [
        f"{counts['requests']:,} requests in {result['seconds']:,.0f} s, {result['reloads']} reloads: {counts['files']:,} files and "
        f"{counts['parts']:,} parts of files ({counts['bytes'] / 1e9:.1f} GB) compared byte by byte, {counts['aborts']:,} broken off, "
        f"{counts['faults']:,} with an app that failed, {counts['denied']:,} denied, {counts['retries']:,} repeated since the worker ended"
    ]
    checks = [
        (not result["wrong"], f"{len(result['wrong'])} wrong answers"),
        (good > 0 and counts["faults"] > 0 and counts["denied"] > 0 and counts["aborts"] > 0, "all kinds of requests were there"),
        (not result["alerts"], f"{len(result['alerts'])} alerts in the log"),
        (descriptors["after"] <= descriptors["before"] + MOST_DESCRIPTORS + 32, f"descriptors: {descriptors['before']} before, {descriptors['after']} after, with at most 32 kept to the app"),
        (result["growth"] < MOST_GROWTH, f"memory: {result['growth']:+.2f} bytes per request"),
    ]
    lines += [f"{'ok     ' if fine else 'FAILED '} {text}" for fine, text in checks]
    return lines + result["wrong"][:10] + result["alerts"][:10], all(fine for fine, _ in checks)


def plot(result, file):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "soak"
    import matplotlib.pyplot as pyplot

    samples = result["samples"]
    x = [s["requests"] / 1000 for s in samples]
    figure, (memory, descriptors) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 4.5))
    memory.plot(x, [s["rss"] / 2**20 for s in samples], linewidth=1)
    memory.set_ylabel("resident, MiB")
    memory.set_ylim(0, 1.2 * max(s["rss"] for s in samples) / 2**20)
    descriptors.plot(x, [s["descriptors"] for s in samples], linewidth=1, color="tab:orange")
    descriptors.set_ylabel("descriptors")
    descriptors.set_ylim(0, 1.2 * max(s["descriptors"] for s in samples))
    descriptors.set_xlabel("thousand requests; both workers together, new ones after each reload")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seed", default="")
    parser.add_argument("--plot")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with Soak(options) as soak:
            result = soak.run()
    except Wrong as wrong:
        say(f"scripts/soak: {wrong}")
        return 1
    lines, fine = judge(result)
    print("\n".join(lines))
    if options.plot:
        plot(result, options.plot)
    return 0 if fine else 1


sys.exit(main())
