"""Requests as fast as they go, by wrk and h2load: how many, how late the last ones, and what CPU the
server took for each."""

import hashlib
import json
import re
import resource
import subprocess
from pathlib import Path as File

from paths import COOKIE, MODIFIED_HTTP, PATHS, SIZES, WAYS
from processes import Wrong

WRK_SCRIPT = File(__file__).parent / "wrk.lua"
CONNECTIONS = 32


def curl(url, way, protocol):
    """Status, header fields, length and SHA-256 of the body."""
    version = "--http2" if protocol == "h2" else "--http1.1"
    command = ["curl", "-q", "-s", "-k", version, "--noproxy", "*", "-m", "60", "-b", COOKIE, "-D", "/dev/stderr", url]
    if way == "HEAD":
        command.append("-I")
    elif WAYS[way][0]:
        command += ["-H", WAYS[way][0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        digest, length = hashlib.sha256(), 0
        while block := process.stdout.read(1 << 20):
            digest.update(block)
            length += len(block)
        lines = process.stderr.read().decode(errors="replace").splitlines()
    if not lines:
        raise Wrong(f"{url}: no answer")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, length, digest.hexdigest()


def check(servers, row, file, protocol):
    """What comes is the file, and the app was asked as often as it should be."""
    path, (_, want) = PATHS[row.path], WAYS[row.way]
    server = servers.running[path.server]
    url = server.url(path, file, protocol)
    curl(url, row.way, protocol)  # what is remembered is, from now on
    before = servers.app_requests()
    status, headers, length, digest = curl(url, row.way, protocol)
    asked = servers.app_requests() - before - 1

    whole = servers.dir / "files" / file
    with whole.open("rb") as f:
        if row.way == "range":
            f.seek(100)
            bytes_wanted, digest_wanted = 100, hashlib.sha256(f.read(100)).hexdigest()
        elif row.way == "full":
            bytes_wanted, digest_wanted = SIZES[file], hashlib.file_digest(f, "sha256").hexdigest()
        else:
            bytes_wanted, digest_wanted = 0, hashlib.sha256().hexdigest()
    wrong = []
    if status != want:
        wrong.append(f"status {status} instead of {want}")
    if row.way == "HEAD":
        length = 0  # curl prints the header
        if headers.get("content-length") != str(SIZES[file]):
            wrong.append(f"Content-Length {headers.get('content-length')}")
    elif digest != digest_wanted:
        wrong.append("not the file's bytes")
    if length != bytes_wanted:
        wrong.append(f"{length} bytes instead of {bytes_wanted}")
    if row.way == "range" and headers.get("content-range") != f"bytes 100-199/{SIZES[file]}":
        wrong.append(f"Content-Range {headers.get('content-range')}")
    if row.way != "304" and headers.get("last-modified") != MODIFIED_HTTP.lower():
        wrong.append(f"Last-Modified {headers.get('last-modified')}")
    if asked != path.asks:
        wrong.append(f"the app was asked {asked} times instead of {path.asks}")
    if wrong:
        raise Wrong(f"{url} ({row.name}) answers wrongly: {'; '.join(wrong)}\n{headers}\n{server.log()}")


def measure(servers, row, file, protocol, seconds, connections=CONNECTIONS, arguments=()):
    path = PATHS[row.path]
    server = servers.running[path.server]
    url = server.url(path, file, protocol)
    before, client = server.cpu(), client_cpu()
    if protocol == "h2":
        result = h2load(url, row, seconds, connections)
    else:
        result = wrk(url, row, seconds, connections, arguments)
    if SIZES.get(file, 0) >= 1 << 20:
        # those that were under way at the end count as far as they got
        result["requests"] = result["bytes"] / SIZES[file]
        result["rps"] = result["requests"] / result["seconds"]
    result["client_us"] = (client_cpu() - client) / result["requests"] * 1e6
    result["cpu_us"] = (server.cpu() - before) / result["requests"] * 1e6
    return result


def client_cpu():
    """Of the processes that have ended, as wrk does and servers do not meanwhile."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wrk(url, row, seconds, connections, arguments=()):
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s", WRK_SCRIPT, "-H", f"Cookie: {COOKIE}"]
    if WAYS[row.way][0]:
        command += ["-H", WAYS[row.way][0]]
    out = subprocess.run([*command, url, "--", *map(str, arguments)], capture_output=True, text=True, timeout=seconds + 60)
    lines = [line for line in out.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise Wrong(f"wrk {url}: {out.stdout}{out.stderr}")
    result = json.loads(lines[-1])
    if result["errors"] or not result["bytes"]:
        raise Wrong(f"wrk {url}: {out.stdout}")
    return {
        "rps": result["requests"] / result["seconds"],
        "requests": result["requests"],
        "bytes": result["bytes"],
        "seconds": result["seconds"],
        "p50_ms": result["p50"] / 1000,
        "p99_ms": result["p99"] / 1000,
    }


def h2load(url, row, seconds, connections):
    # as many requests at once as with wrk
    command = ["h2load", "-t", "1", "-D", f"{seconds}s", "-c", "4", "-m", str(connections // 4), "-H", f"Cookie: {COOKIE}"]
    if row.way == "HEAD":
        command += ["-H", ":method: HEAD"]
    text = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60).stdout
    counts = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    size = re.search(r"traffic: .*? \((\d+)\) total", text)
    if not counts or int(counts[3]) or int(counts[4]) or not int(counts[1]) or any(int(n) for n in failed.groups()):
        raise Wrong(f"h2load {url}: {text}")
    requests = int(counts[1])
    return {"rps": requests / seconds, "requests": requests, "bytes": int(size[1]), "seconds": seconds}
