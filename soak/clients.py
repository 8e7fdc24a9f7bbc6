"""Processes that ask, each on its own: one client, with a step() that asks, `counts`, of which "requests"
is one, and `wrong`, lines on answers that are not as they should be."""

import itertools
import multiprocessing
import os
import signal
import time

from processes import Wrong, say
from wire import Closed

ENOUGH = 20  # wrong answers


class Clients:
    def __init__(self, clients):
        context = multiprocessing.get_context("fork")
        self.pipes, self.processes, self.told = [], [], [None] * len(clients)
        self.started = time.monotonic()
        for client in clients:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(client, theirs, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def listen(self):
        for number, pipe in enumerate(self.pipes):
            try:
                while pipe.poll():
                    self.told[number] = pipe.recv()
            except (EOFError, ConnectionError):
                pass  # it has ended

    def sum(self, name):
        return sum(counts[name] for counts, _ in filter(None, self.told))

    def counts(self):
        return {name: self.sum(name) for name in self.told[0][0]}

    def wrong(self):
        return [line for _, wrong in filter(None, self.told) for line in wrong]

    def work(self, bed, enough, interval=0.5):
        """The number of requests, again and again, until enough() says so or an answer is wrong."""
        told = self.started
        for turn in itertools.count(1):
            time.sleep(max(0, self.started + turn * interval - time.monotonic()))
            # what one that ends has told is heard below
            ended = not all(process.is_alive() for process in self.processes)
            self.listen()
            done = self.sum("requests")
            if self.wrong() or enough(done):
                break
            bed.must_run()
            if ended:
                bed.fail("a client has ended")
            now = time.monotonic()
            if now - told > 15:
                say(f"  {done:,} requests, {done / (now - self.started):,.0f}/s")
                told = now
            yield done
        self.stop()

    def stop(self):
        for pipe in self.pipes:
            try:
                pipe.send("enough")
            except OSError:
                pass  # it has had enough already
        end = time.monotonic() + 60
        while any(process.is_alive() for process in self.processes):
            if time.monotonic() > end:
                raise Wrong("a client does not end")
            self.listen()
            time.sleep(0.05)
        self.listen()
        self.seconds = time.monotonic() - self.started


def work(client, pipe, parent):
    """The process of a client, which ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    told = 0.0
    while True:
        try:
            client.step()
        except (Closed, OSError) as error:
            client.wrong.append(f"a connection: {error}")
        enough = len(client.wrong) >= ENOUGH
        if enough or time.monotonic() - told > 0.5:
            told = time.monotonic()
            pipe.send((client.counts, client.wrong))
            if enough or pipe.poll() or os.getppid() != parent:
                return
