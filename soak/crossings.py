"""Two users on one URL, in turns, on connections that they share, while what is remembered for them
expires, and is revoked, all the time: nobody gets an answer that is the other's."""

import random

from clients import Clients
from testbed import Testbed, Verdict
from wire import Connection, request

CLIENTS = 4
BATCH = 16  # requests that are sent before the first answer is read
RENEWED, REVOKED = 0.02, 0.02  # of the batches: over a new connection, to another worker perhaps
# where it is said who asks, and so what the key has
WAYS = {"cookie": "Cookie: user={}", "header": "Authorization: Bearer {}"}
USERS = ("ann", "bob")
# each user has a file by this name; ann has one that bob is denied
SHARED, ANNS = "shared", "ann"
NOTHING = "a denial"


class Bed(Testbed):
    def fill(self):
        super().fill()
        for user in USERS:
            (self.dir / "files" / f"{user}.txt").write_text(f"for {user} alone\n" * 10)


def run(options):
    verdict = Verdict()
    with Bed(options) as bed:
        control = Client(bed, options.seed, {"wrong": WAYS["cookie"]})
        for _ in range(20):
            control.step()
        clients = Clients([Client(bed, f"{options.seed}{number}", WAYS) for number in range(CLIENTS)])
        for _ in clients.work(bed, lambda done: done >= options.requests):
            pass
        counts, workers = clients.counts(), len(bed.serving())
        asks = bed.status()["asks"]
        verdict.summary = (
            f"{counts['requests']:,} answers in {clients.seconds:,.0f} s for two users in turns, {counts['denials']:,} of them denials, "
            f"on {counts['connections']:,} connections to {workers} workers; the app was asked {asks:,} times: {counts['crossings']:,} crossings"
        )
        verdict.check(counts["crossings"] == 0, f"{counts['crossings']} crossings")
        verdict.check_answers(bed, clients.wrong())
        verdict.check(all(counts[f"worker {number}"] for number in range(workers)), f"all of the {workers} workers answered")
        verdict.check(asks >= clients.seconds, f"what is remembered expired: the app was asked {asks:,} times")
        verdict.check(control.counts["crossings"] > 0, f"a key without the user does cross: {control.counts['crossings']} of {control.counts['requests']} answers")
    return verdict


class Client:
    def __init__(self, bed, seed, ways):
        self.port, self.workers = bed.port, [str(pid).encode() for pid in bed.serving()]
        self.random = random.Random(seed)
        self.ways = ways
        self.connections = dict.fromkeys(ways)
        self.bodies = {user: bed.files()[f"{user}.txt"] for user in USERS}
        self.counts = dict.fromkeys(("requests", "crossings", "denials", "connections"), 0)
        self.counts |= {f"worker {number}": 0 for number in range(len(self.workers))}
        self.wrong = []

    def step(self):
        asked = {way: self.send(way) for way in self.ways}
        for way, (name, users) in asked.items():
            for user in users:
                self.judge(way, name, user, self.connections[way].answer())

    def send(self, way):
        """A batch of requests by both users for one name."""
        connection = self.connections[way]
        if connection is None or self.random.random() < RENEWED:
            if connection:
                connection.close()
            connection = self.connections[way] = Connection(self.port)
            self.counts["connections"] += 1
        if self.random.random() < REVOKED:
            connection.send(request(f"/revoke?tag={self.random.choice(USERS)}", "Content-Length: 0", method="POST"))
            connection.answer()
        name, first = self.random.choice((SHARED, ANNS)), self.random.randrange(2)
        users = [USERS[(first + turn) % 2] for turn in range(BATCH)]
        connection.send(b"".join(request(f"/{way}/own/{name}", self.ways[way].format(user)) for user in users))
        return name, users

    def judge(self, way, name, user, answer):
        expected = NOTHING if (name, user) == (ANNS, "bob") else user
        whose = answer.fields.get(b"x-for", b"").decode()
        if answer.status == 403:
            got = NOTHING
        elif answer.status == 200 and answer.whole and answer.body == self.bodies.get(whose):
            got = whose
        else:
            got = None
        self.counts["requests"] += 1
        self.counts["denials"] += got == NOTHING
        if answer.fields.get(b"x-worker") in self.workers:
            self.counts[f"worker {self.workers.index(answer.fields[b'x-worker'])}"] += 1
        if got == expected:
            return
        self.counts["crossings"] += got is not None
        self.wrong.append(f"/{way}/own/{name} for {user}: {got or (answer.status, answer.fields, answer.body[:100])}")
