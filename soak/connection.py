"""All requests over one connection, in all ways: the worker's memory does not grow with them."""

import random
import time

from processes import say
from testbed import Testbed, Verdict, signed
from wire import Closed, Connection, request

BATCH = 32  # requests that are sent before the first answer is read
# holds a batch: what does not fit makes nginx itself take 80 bytes more from the connection's pool each time
HEAD = "16k"
MOST_GROWTH = 64 * 1024  # bytes
START = 0.02  # the share of the requests behind which memory counts: what is taken once is taken
NAMES = ["empty.txt", "small.txt", "inline.txt", "medium.txt"]
ALONE = ["/storage/", "/path/?f=", "/signed/", "/cached/storage/", "/cached/passed/"]  # without the app
ASKED = ["/asked/storage/", "/asked/location/", "/asked/passed/", "/app/accel/", "/app/sendfile/", "/app/passed-on/", "/made/whole/"]
WAYS = [*ALONE * 6, *ASKED]
# of these, the ways where the app's denial is the answer
DENYING = ["/cached/storage/", *ASKED[:-1]]
RANGES, HEADS, DENIED = 0.10, 0.05, 0.05


def run(options):
    verdict = Verdict()
    with Testbed(options, workers=1, head=HEAD) as bed:
        client = Client(bed, options.seed)
        started = told = time.monotonic()
        before = None
        while client.requests < options.requests and not client.wrong:
            client.step()
            if before is None and client.requests >= options.requests * START:
                before, counted = bed.nginx.memory()[0], client.requests
            if time.monotonic() - told > 15:
                told = time.monotonic()
                say(f"  {client.requests:,} requests, {client.requests / (told - started):,.0f}/s")
        if before is None:
            bed.fail(f"wrong at once: {client.wrong}")
        seconds, after = time.monotonic() - started, bed.nginx.memory()[0]
        grown = after - before
        verdict.summary = (
            f"{client.requests:,} requests in {seconds:,.0f} s over one connection, {client.denied:,} of them denied, {client.bytes / 1e9:.1f} GB compared "
            f"byte by byte: the worker's own memory went from {before / 1024:,.0f} KB after {counted:,} to {after / 1024:,.0f} KB, {grown / 1024:+,.0f} KB"
        )
        verdict.check_answers(bed, client.wrong)
        verdict.check(grown < MOST_GROWTH, f"memory: {grown / 1024:+,.0f} KB, below {MOST_GROWTH / 1024:.0f} KB")
    return verdict


class Client:
    def __init__(self, bed, seed):
        self.random, self.files = random.Random(seed), bed.files()
        self.connection = Connection(bed.port)
        self.requests = self.denied = self.bytes = 0
        self.wrong = []

    def step(self):
        batch = [self.asked() for _ in range(BATCH)]
        try:
            self.connection.send(b"".join(data for data, *_ in batch))
            for data, method, status, body in batch:
                self.judge(data, status, body, self.connection.answer(method))
        except Closed as closed:
            self.wrong.append(f"the connection after {self.requests:,} requests: {closed}")

    def asked(self):
        """A request, its method, and what has to come: status and body."""
        chance = self.random.random
        way, name = self.random.choice(WAYS), self.random.choice(NAMES)
        target = signed(name) if way == "/signed/" else way + name
        body = self.files[name]
        if way in DENYING and chance() < DENIED:
            return request(target, "Cookie: user=mallory"), "GET", 403, None
        if body and way != "/made/whole/" and chance() < RANGES:
            first = self.random.randrange(len(body))
            return request(target, "Cookie: user=alice", f"Range: bytes={first}-"), "GET", 206, body[first:]
        if not way.startswith("/app/") and chance() < HEADS:
            return request(target, "Cookie: user=alice", method="HEAD"), "HEAD", 200, b""
        return request(target, "Cookie: user=alice"), "GET", 200, body

    def judge(self, data, status, body, answer):
        self.requests += 1
        self.denied += status == 403
        self.bytes += len(answer.body)
        if answer.status != status or answer.closes or body not in (None, answer.body):
            self.wrong.append(f"{data}: {answer.status} {answer.fields}, {len(answer.body)} bytes instead of {status}")
