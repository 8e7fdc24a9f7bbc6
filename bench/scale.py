"""How cost grows: with grants in the zone, connections, files, requests, and with many who ask for the
same at once."""

import os
import resource
import selectors
import socket
import threading
import time
from itertools import islice

from load import measure
from paths import COOKIE, Row
from processes import Wrong, say
from servers import Servers

GRANTS = [1_000, 10_000, 100_000, 1_000_000]
FILES = [100, 1_000, 10_000, 100_000]
CONNECTIONS = [1, 32, 1_000, 8_000]
IDLE = 10_000
READY = 1_000
# each grant takes two blocks of 256 bytes, and a bit
ZONE = "600m"


def scaling(options):
    seconds, rounds = (1, 2) if options.quick else (2, 5)
    with Servers(options.nginx, options.module, options.port, {"1k": 1024}) as servers:
        servers.start("app")
        return {
            "grants": [grants(servers, count, seconds, rounds) for count in GRANTS],
            "connections": connections(servers, seconds, rounds),
            "idle": {"clients": idle_clients(), **idle(servers)},
            "files": files(servers, seconds, rounds),
            "requests": requests(servers, seconds * 10),
            "herd": herd(servers),
        }


def large_zone(text):
    return text.replace("zone=decisions:10m", f"zone=decisions:{ZONE}")


def grants(servers, count, seconds, rounds):
    """The zone with so many grants: memory, and requests for grants that the worker has at hand and for
    any of them."""
    say(f"{count:,} grants")
    server = servers.start("module", edit=large_zone)
    row = Row("cached")
    try:
        # one has been asked for, and all memory that a worker takes for the first is taken
        fill(server, "/cached/1k", "grants", 100)
        own, zone = server.memory()
        asked = servers.app_requests()
        fill(server, "/cached/1k", "grants", count)
        asked = servers.app_requests() - asked - 1
        if asked != count - 100:
            raise Wrong(f"the app was asked {asked} times for {count} grants")
        own_now, zone_now = server.memory()
        result = {"count": count, "new": count - 100, "zone": zone_now - zone, "own": own_now - own, "ready": [], "any": []}
        asked = servers.app_requests()
        for _ in range(rounds):
            result["ready"].append(measure(servers, row, "1k", "http", seconds, arguments=("grants", min(count, READY))))
            result["any"].append(measure(servers, row, "1k", "http", seconds, arguments=("grants", count)))
        result["asked"] = servers.app_requests() - asked - 1
        return result
    finally:
        server.stop()


def fill(server, target, what, count):
    """Asks for each once, on some connections at a time."""
    text = {"grants": "GET {} HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={:032}\r\n\r\n", "files": "GET {}{:07} HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=1234567\r\n\r\n"}[what]
    batch, clients = 50, [socket.create_connection(("127.0.0.1", server.port), 30) for _ in range(32)]
    streams = [client.makefile("rb") for client in clients]
    clients[0].sendall(text.format(target, 0).encode())
    head = b"".join(iter(streams[0].readline, b"\r\n"))
    if not head.startswith(b"HTTP/1.1 200 "):
        raise Wrong(f"{target}: {head}")
    streams[0].read(1024)
    # they are all of one length
    length = len(head) + 2 + 1024
    todo = iter(range(count))
    while True:
        numbers = [list(islice(todo, batch)) for _ in clients]
        for client, some in zip(clients, numbers):
            client.sendall("".join(text.format(target, number) for number in some).encode())
        for stream, some in zip(streams, numbers):
            answer = stream.read(length * len(some))
            if answer.count(b"HTTP/1.1 200 ") != len(some):
                raise Wrong(f"{target}: {answer[:1000]}")
        if not numbers[-1]:
            break
    for client in clients:
        client.close()


def connections(servers, seconds, rounds):
    """Requests by so many connections at once."""
    servers.start("stock")
    servers.start("module")
    counts = [count for count in CONNECTIONS if count < idle_clients()]
    found = {f"{path}, {count}": [] for count in counts for path in ("opened", "cached")}
    for count in counts:
        say(f"{count:,} connections")
        for _ in range(rounds):
            for path in ("opened", "cached"):
                # wrk has to connect them first
                found[f"{path}, {count}"].append(measure(servers, Row(path), "1k", "http", seconds + count // 1000, connections=count))
    servers.running["stock"].stop()
    servers.running["module"].stop()
    return found


def idle_clients():
    return min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1000)


def idle(servers):
    """Bytes that a worker takes for each connection on which a file has been sent."""
    found = {}
    for name, path in (("stock", "opened"), ("module", "cached")):
        server = servers.start(name)
        ask_at_once(server.port, f"/{path}/1k", 100)
        before, _ = server.memory()
        clients = ask_at_once(server.port, f"/{path}/1k", idle_clients())
        time.sleep(0.5)
        found[name] = (server.memory()[0] - before) / len(clients)
        for client in clients:
            client.close()
        server.stop()
    return found


def ask_at_once(port, target, count, then=lambda: None):
    """So many clients that ask for the same; then() is called when all have asked. They stay."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {COOKIE}\r\n\r\n".encode()
    clients, waiting = [], {}
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), 30)
            client.sendall(request)
            clients.append(client)
            waiting[client] = b""
            selector.register(client, selectors.EVENT_READ)
        then()
        end = time.monotonic() + 60
        while waiting:
            if time.monotonic() > end:
                raise Wrong(f"{len(waiting)} of {count} clients got no answer")
            for key, _ in selector.select(1):
                client = key.fileobj
                waiting[client] += client.recv(65536)
                head, _, body = waiting[client].partition(b"\r\n\r\n")
                if head and not head.startswith(b"HTTP/1.1 200 "):
                    raise Wrong(f"{target}: {head}")
                if len(body) == 1024:
                    del waiting[client]
                    selector.unregister(client)
    return clients


def files(servers, seconds, rounds):
    """One of so many files at random."""
    folder = servers.dir / "files" / "many"
    folder.mkdir()
    server = servers.start("module", edit=large_zone)
    servers.start("stock")
    found, made = {}, 0
    for count in FILES:
        say(f"{count:,} files")
        for number in range(made, count):
            (folder / f"{number:07}").write_bytes(b"x" * 1024)
        made = count
        rows = {path: Row(path) for path in ("static", "opened", "cached")}
        fill(server, "/cached/many/", "files", count)
        for path in rows:
            found[f"{path}, {count}"] = []
        for _ in range(rounds):
            for path, row in rows.items():
                found[f"{path}, {count}"].append(measure(servers, row, "many/", "http", seconds, arguments=("files", count)))
    server.stop()
    servers.running["stock"].stop()
    return found


def requests(servers, seconds):
    """What the worker's memory does under load."""
    say("many requests")
    server = servers.start("module")
    measure(servers, Row("cached"), "1k", "http", 2)
    before, _ = server.memory()
    load = measure(servers, Row("cached"), "1k", "http", seconds)
    grown = server.memory()[0] - before
    server.stop()
    return {"requests": load["requests"], "grown": grown}


def herd(servers):
    """Many who ask for the same at once, while the app takes its time."""
    say("many misses on one key")
    server = servers.start("module")
    calls, released = [], threading.Event()
    answer = b'{"file":{"storage":"media","path":"1k"}}'
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(servers.dir / "tmp" / "held.sock"))
    os.chmod(servers.dir / "tmp" / "held.sock", 0o666)
    listener.listen(1000)

    def app():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=say_yes, args=(connection,), daemon=True).start()

    def say_yes(connection):
        connection.recv(65536)
        calls.append(time.monotonic())
        released.wait(60)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/vnd.nginx-download.grant+json\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        connection.close()

    threading.Thread(target=app, daemon=True).start()
    start = time.monotonic()
    clients = ask_at_once(server.port, "/held/1k", idle_clients(), then=released.set)
    took = time.monotonic() - start
    for client in clients:
        client.close()
    listener.close()
    server.stop()
    return {"clients": len(clients), "calls": len(calls), "seconds": took}
