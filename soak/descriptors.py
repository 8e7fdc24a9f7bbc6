"""Files that the app passes open, over connections that are kept, to clients of which some break off: in
the end no descriptor is left, and no memory."""

import random
import time

from clients import Clients
from testbed import Testbed, Verdict, slope
from wire import Kept, request

CLIENTS = 4
APPS = 2  # processes
ABORTS = 0.10
MOST_GROWTH = 1.0  # bytes per request
WAYS = ["/asked/passed/", "/asked/passed-along/", "/app/passed-on/"]
NAMES = ["empty.txt", "small.txt", "inline.txt", "medium.txt"]
SENDFILE = 0.05  # of the files: so large that they leave by several calls
LARGE = ["pages.txt", "large.txt"]


def run(options):
    verdict = Verdict()
    with Testbed(options, apps=APPS) as bed:
        before, samples = bed.descriptors(), []
        clients = Clients([Client(bed, f"{options.seed}{number}") for number in range(CLIENTS)])
        for done in clients.work(bed, lambda done: done >= options.requests):
            if sample := bed.sample(done):
                samples.append(sample)
        counts = clients.counts()
        after, growth = bed.rest(before), slope([(s["requests"], s["rss"]) for s in samples])
        most = max((s["descriptors"] for s in samples), default=before)
        verdict.summary = (
            f"{counts['requests']:,} passes in {clients.seconds:,.0f} s: {counts['files']:,} files ({counts['bytes'] / 1e9:.1f} GB) compared byte by byte, "
            f"{counts['aborts']:,} broken off; descriptors {before} before, at most {most} meanwhile, {after} after; {growth:+.2f} bytes of memory per request"
        )
        verdict.check_answers(bed, clients.wrong())
        verdict.check(counts["repeated"] == 0, f"{counts['repeated']} kept connections were closed")
        verdict.check(counts["files"] > 0 and counts["aborts"] > 0, "there were files and aborts")
        verdict.check(after <= before, f"descriptors: {before} before, {after} after")
        verdict.check(growth < MOST_GROWTH, f"memory: {growth:+.2f} bytes per request")
    return verdict


class Client:
    def __init__(self, bed, seed):
        self.random, self.files = random.Random(seed), bed.files()
        self.kept = Kept(bed.port)
        self.counts = dict.fromkeys(("requests", "files", "aborts", "repeated", "bytes"), 0)
        self.wrong = []

    def step(self):
        chance = self.random.random
        way = self.random.choice(WAYS)
        name = self.random.choice(LARGE if chance() < SENDFILE else NAMES)
        self.counts["requests"] += 1
        if chance() < ABORTS:
            self.break_off(way)
            return
        answer = self.kept.ask(request(way + name))
        self.counts["repeated"] = self.kept.repeated
        if answer.status != 200 or not answer.whole or answer.body != self.files[name]:
            self.wrong.append(f"{way}{name}: {answer.status}, {len(answer.body)} bytes, {'whole' if answer.whole else 'broken off'}")
        self.counts["files"] += 1
        self.counts["bytes"] += len(answer.body)

    def break_off(self, way):
        """Amid the request, while the app is asked, between the descriptor and the rest of the app's
        response, amid the file, or behind it."""
        name = self.random.choice([*NAMES, *LARGE])
        asked, whole = request(way + name, *self.random.choice(([], ["X-Fault: pause"]))), self.random.random() < 0.9
        if self.random.random() < 0.5:
            # anew, with a buffer for which nginx has to wait
            self.kept.close()
        self.kept.start(asked if whole else asked[: self.random.randrange(1, len(asked))], receive_buffer=4096)
        time.sleep(self.random.choice((0, 0, 0.0002, 0.002)))
        if whole and self.random.random() < 0.5:
            self.kept.taste(self.random.randrange(1, 100_000))
        self.kept.close(reset=self.random.random() < 0.5)
        self.counts["aborts"] += 1
