"""nginx reads its configuration again five times a second, under load: no request fails, old workers end,
and neither the master nor the workers grow."""

import random
import re
import signal
import time

from clients import Clients
from testbed import Testbed, Verdict, descriptors, resident, signed, slope, wait_for
from wire import Kept, request

CLIENTS = 4
HUP = 0.2  # seconds
MOST_GROWTH = 1024  # bytes per reload
ENDED = 10  # seconds in which old workers end: less than worker_shutdown_timeout
NAMES = ["empty.txt", "small.txt", "inline.txt", "medium.txt", "pages.txt"]
WAYS = [
    "/storage/", "/path/?f=", "/signed/", "/asked/storage/", "/asked/passed/", "/cached/storage/", "/cached/passed/",
    "/app/accel/", "/app/passed-on/", "/made/whole/",
]  # fmt: skip
# what takes longer than from one reload to the next
SLOW, SLOW_WAYS = 0.02, ["/asked/late/small.txt", "/limited/storage/pages.txt", "/limited/passed/pages.txt"]


def run(options):
    verdict = Verdict()
    with Testbed(options, level="notice") as bed:
        master = bed.nginx.process.pid
        before, hups, most, masters, workers = descriptors(master), 0, 0, [], []
        clients = Clients([Client(bed, f"{options.seed}{number}") for number in range(CLIENTS)])
        end = clients.started + options.seconds
        for _ in clients.work(bed, lambda _: time.monotonic() > end, HUP):
            masters.append((hups, resident(master)))
            if sample := bed.sample(hups):
                workers.append((hups, sample["rss"]))
            most = max(most, len(bed.workers()))
            bed.nginx.process.send_signal(signal.SIGHUP)
            hups += 1
        counts = clients.counts()
        ended = wait_for(lambda: bed.workers() == bed.serving(), ENDED)
        after, reloads = descriptors(master), len(re.findall(r"#\d+: reconfiguring$", bed.nginx.log(), re.MULTILINE))
        growth = {"the master": slope(masters), "the workers": slope(workers)}
        verdict.summary = (
            f"{reloads:,} reloads in {clients.seconds:,.0f} s under {counts['requests']:,} requests, {counts['slow']:,} of them longer than from one reload "
            f"to the next: {len(clients.wrong())} failed, {counts['repeated']:,} repeated on another connection; at most {most} workers at once; "
            + ", ".join(f"{who} {grown:+,.0f} bytes" for who, grown in growth.items())
            + " per reload"
        )
        verdict.check_answers(bed, clients.wrong())
        verdict.check(reloads >= hups / 2 and counts["slow"] > 0, f"{reloads:,} reloads for {hups:,} signals")
        verdict.check(ended, f"{len(bed.workers())} workers are left, {len(bed.serving())} of them serving")
        verdict.check(after <= before, f"descriptors of the master: {before} before, {after} after")
        for who, grown in growth.items():
            verdict.check(grown < MOST_GROWTH, f"memory of {who}: {grown:+,.0f} bytes per reload")
    return verdict


class Client:
    def __init__(self, bed, seed):
        self.random, self.files = random.Random(seed), bed.files()
        self.kept = Kept(bed.port)
        self.counts = dict.fromkeys(("requests", "slow", "repeated"), 0)
        self.wrong = []

    def step(self):
        slow, name = self.random.random() < SLOW, self.random.choice(NAMES)
        way = self.random.choice(SLOW_WAYS if slow else WAYS)
        target = way if slow else signed(name) if way == "/signed/" else way + name
        answer = self.kept.ask(request(target, "Cookie: user=alice"))
        if slow:
            name = target.rpartition("/")[2]
        if answer.status != 200 or not answer.whole or answer.body != self.files[name]:
            self.wrong.append(f"{target}: {answer.status} {answer.fields}, {len(answer.body)} bytes: {answer.body[:60]}")
        self.counts["requests"] += 1
        self.counts["slow"] += slow
        self.counts["repeated"] = self.kept.repeated
