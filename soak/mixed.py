"""Files in all ways, each byte compared; some requests are broken off, some meet an app that fails or
denies, and now and then nginx reads its configuration again."""

import hashlib
import random
import signal
import time

from clients import Clients
from testbed import Testbed, Verdict, signed, slope
from wire import Kept, request

CLIENTS = 4
HUP = 30  # seconds
CALM = 0.2  # the share at the end without reloads, for the memory of one worker
# bytes per request; descriptors over those at the start
MOST_GROWTH, MOST_DESCRIPTORS = 1.0, 4

ABORTS, FAULTS, DENIED, RANGES, HEADS, REVOKED = 0.05, 0.05, 0.05, 0.10, 0.03, 0.002
FAULT_KINDS = ["500", "html", "head", "body", "close"]
# what nginx itself passes on, where nobody asks for a grant
FAULT_KINDS_ASKED = [*FAULT_KINDS, "garbage"]
SLOW = 0.01  # of the faults: each takes as long as proxy_read_timeout

# the ways to a file that the app is asked for, and whether it can be denied or fail there
ASKED = [f"/asked/{kind}/" for kind in ("storage", "location", "grant", "passed")] + [
    "/cached/storage/", "/app/accel/", "/app/sendfile/", "/app/grant/", "/app/passed-on/", "/app/passed/",
]  # fmt: skip
KEPT = "/cached/passed/"  # what is remembered answers for an app that fails
WAYS = [*ASKED, *ASKED, KEPT, "/storage/", "/path/?f=", "/signed/", "/made/whole/"]


def run(options):
    verdict = Verdict()
    with Testbed(options) as bed:
        before, samples, reloads, last_hup = bed.descriptors(), [], 0, time.monotonic()
        clients = Clients([Client(bed, f"{options.seed}{number}") for number in range(CLIENTS)])
        for done in clients.work(bed, lambda done: done >= options.requests):
            if sample := bed.sample(done):
                samples.append(sample)
            if time.monotonic() - last_hup > HUP and done < options.requests * (1 - CALM):
                bed.nginx.process.send_signal(signal.SIGHUP)
                last_hup, reloads = time.monotonic(), reloads + 1
        counts = clients.counts()
        after, growth = bed.rest(before), growth_of_last(samples)
        verdict.summary = (
            f"{counts['requests']:,} requests in {clients.seconds:,.0f} s, {reloads} reloads: {counts['files']:,} files and "
            f"{counts['parts']:,} parts of files ({counts['bytes'] / 1e9:.1f} GB) compared byte by byte, {counts['aborts']:,} broken off, "
            f"{counts['faults']:,} with an app that failed, {counts['denied']:,} denied, {counts['repeated']:,} repeated since the worker ended"
        )
        verdict.check_answers(bed, clients.wrong())
        verdict.check(all(counts[kind] for kind in ("files", "parts", "faults", "denied", "aborts")), "all kinds of requests were there")
        verdict.check(after <= before + MOST_DESCRIPTORS, f"descriptors: {before} before, {after} after")
        verdict.check(growth < MOST_GROWTH, f"memory: {growth:+.2f} bytes per request")
    if options.plot:
        plot(samples, options.plot)
    return verdict


def growth_of_last(samples):
    """Bytes of memory per request, of the workers that were there at the end."""
    return slope([(s["requests"], s["rss"]) for s in samples if s["workers"] == samples[-1]["workers"]])


class Client:
    def __init__(self, bed, seed):
        self.random = random.Random(seed)
        self.files = bed.files()
        self.digests = {name: hashlib.sha256(data).digest() for name, data in self.files.items()}
        self.names = list(self.files)
        self.kept = Kept(bed.port)
        self.counts = dict.fromkeys(("requests", "files", "parts", "aborts", "faults", "denied", "repeated", "bytes"), 0)
        self.wrong = []

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
            self.kept.ask(request(f"/revoke?tag={name}", "Content-Length: 0", method="POST"))
        self.counts["requests"] += 1
        asked = request(signed(name) if way == "/signed/" else way + name, *lines, method=method)
        if chance() < ABORTS:
            self.break_off(asked)
        else:
            self.judge(method, way, name, lines, expected, first, last, self.kept.ask(asked, method))
        self.counts["repeated"] = self.kept.repeated

    def break_off(self, asked):
        self.kept.start(asked)
        time.sleep(self.random.random() * 0.003)
        if self.random.random() < 0.5:
            self.kept.taste(self.random.randrange(1, 5000))
        self.kept.close(reset=self.random.random() < 0.5)
        self.counts["aborts"] += 1

    def judge(self, method, way, name, lines, expected, first, last, answer):
        data, status, body = self.files[name], answer.status, answer.body
        said = f"{method} {way}{name} {lines}: {status}, {len(body)} bytes, {'whole' if answer.whole else 'broken off'}"
        if expected in (403, 500):
            # a body broken off by the app: the response may have begun, if it was the app's own
            fine = status == 403 if expected == 403 else status in (502, 504, 500) or status == 204
            if len(data) > 20 and data[:20] in body:
                self.wrong.append(f"bytes of the file: {said}")
            elif not fine and not (expected == 500 and status == 200 and not body):
                self.wrong.append(f"instead of {expected}: {said}")
            self.counts["denied" if expected == 403 else "faults"] += 1
        elif status != expected or not answer.whole:
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


def plot(samples, file):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "soak"
    import matplotlib.pyplot as pyplot

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
