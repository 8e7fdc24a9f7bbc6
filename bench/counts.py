"""What does not depend on how busy the machine is: instructions and system calls for a request.

Each is the difference of two runs that differ in the number of requests alone, one after the other
on one connection, so that starting, ending and the first request do not count."""

import os
import re
import socket
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from paths import COOKIE, PATHS, SIZES, WAYS
from processes import Wrong, say
from servers import PLAIN_GLIBC, Servers

SHORT, LONG = 100, 1100


def request(path, file, way):
    lines = ["HEAD" if way == "HEAD" else "GET", " ", path.target(file), " HTTP/1.1\r\nHost: localhost\r\n"]
    lines += ["User-Agent: bench/1\r\nAccept: */*\r\nCookie: ", COOKIE, "\r\n"]
    if WAYS[way][0]:
        lines += [WAYS[way][0], "\r\n"]
    return ("".join(lines) + "\r\n").encode()


def ask(port, path, file, way, times):
    message, status = request(path, file, way), b" %d " % WAYS[way][1]
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        stream = s.makefile("rb")
        for _ in range(times):
            s.sendall(message)
            line = stream.readline()
            if status not in line:
                raise Wrong(f"{path.name}, {file}, {way}: {line}")
            length = 0
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length" and way not in ("HEAD", "304"):
                    length = int(value)
            want = 0 if way in ("HEAD", "304") else 100 if way == "range" else SIZES[file]
            if length != want or len(stream.read(length)) != want:
                raise Wrong(f"{path.name}, {file}, {way}: {length} bytes instead of {want}")


def run(servers, path, file, way, times, wrapper, environment, edit=lambda text: text):
    server = servers.start(path.server, wrapper, alone=True, edit=edit, environment=environment)
    try:
        ask(server.port, path, file, way, times)
    finally:
        said = server.stop()
    return said


def callgrind(servers, path, file, way, times):
    """Instructions from start to end; the details are left in callgrind_out()."""
    out = callgrind_out(servers)
    out.unlink(missing_ok=True)
    said = run(servers, path, file, way, times, ["valgrind", "--vgdb=no", "--tool=callgrind", f"--callgrind-out-file={out}"], PLAIN_GLIBC)
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        raise Wrong(f"{path.name}: no result of callgrind:\n{said}")
    return int(found[1])


def callgrind_out(servers):
    return servers.dir / "tmp" / "callgrind.out"


def instructions(servers, path, file, way):
    first = callgrind(servers, path, file, way, SHORT)
    return round((callgrind(servers, path, file, way, LONG) - first) / (LONG - SHORT))


def syscalls(servers, path, file, way, edit=lambda text: text):
    def one(times):
        out = servers.dir / "tmp" / "strace.out"
        out.unlink(missing_ok=True)
        run(servers, path, file, way, times, ["strace", "-f", "-c", "-U", "calls,name", "-o", out], {}, edit)
        calls = Counter()
        for line in out.read_text().splitlines():
            fields = line.split()
            if len(fields) == 2 and fields[0].isdigit() and fields[1] != "total":
                calls[fields[1]] += int(fields[0])
        return calls

    first, last = one(SHORT), one(LONG)
    each = {name: round((last[name] - first[name]) / (LONG - SHORT), 1) for name in last}
    return {name: count for name, count in sorted(each.items(), key=lambda c: -c[1]) if count >= 0.1}


def functions(servers, path, file, way):
    """Instructions per request, by function."""

    def one(times):
        callgrind(servers, path, file, way, times)
        text = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=100", callgrind_out(servers)], capture_output=True, text=True, check=True).stdout
        found = Counter()
        for line in text.splitlines():
            if m := re.match(r" *([\d,]+) \([ \d.]+%\)  (\S.*)", line):
                name = re.sub(r"^\S*?:| \[\S*/(?=\S*\]$)", lambda m: " [" if m[0][0] == " " else "", m[2])
                found[name] += int(m[1].replace(",", ""))
        return found

    first, last = one(SHORT), one(LONG)
    each = {name: (last[name] - first[name]) / (LONG - SHORT) for name in last}
    return sorted(((n, c) for n, c in each.items() if c >= 1), key=lambda c: -c[1])


def count(nginx, module, port, wanted, what=("instructions", "syscalls"), file="1k"):
    """{row: {instructions, syscalls}}, in lanes side by side."""

    def lane(share, port):
        found = {}
        with Servers(nginx, module, port, {file: SIZES[file]}) as servers:
            servers.start("app")
            for row in share:
                path = PATHS[row.path]
                found[row.id] = {name: MEASURES[name](servers, path, file, row.way) for name in what}
                say(f"  {row.id}: {found[row.id]}")
        return found

    lanes = min(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(lanes) as pool:
        shares = [pool.submit(lane, wanted[i::lanes], port + 200 * i) for i in range(lanes)]
        found = {id: entry for share in shares for id, entry in share.result().items()}
    return {row.id: found[row.id] for row in wanted}


MEASURES = {"instructions": instructions, "syscalls": syscalls}
