"""What was found, as Markdown: printed, and put into the pages in docs/ between the lines that mark
its place there."""

import json
import os
import platform
import re
import subprocess
from pathlib import Path as File
from statistics import median

import gate
from paths import COUNTED, PATHS, SIZE_NAMES, SIZES, Row, rows

DOCS = File(__file__).parent.parent / "docs"
PROTOCOLS = {"http": "HTTP/1.1", "tls": "HTTP/1.1, TLS", "h2": "HTTP/2, TLS"}
PACKAGES = ["lighttpd", "apache2-bin", "libapache2-mod-xsendfile", "libnginx-mod-http-lua", "caddy", "wrk", "nghttp2-client", "valgrind", "strace"]


# --- where -----------------------------------------------------------------------------------


def machine(options):
    def line(command):
        try:
            return subprocess.run(command, shell=True, capture_output=True, text=True).stdout.strip().splitlines()[0]
        except IndexError:
            return ""

    cpu = line("sed -n 's/^model name.*: //p' /proc/cpuinfo") or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    system = line("sed -n 's/^PRETTY_NAME=//p' /etc/os-release").strip('"')
    versions = [f"nginx {gate.nginx_version(options.nginx)}", " ".join(line("rustc --version").split()[:2])]
    for package in PACKAGES:
        version = line(f"dpkg-query -W -f '${{Version}}' {package} 2>/dev/null")
        if version:
            versions.append(f"{package} {version}")
    commit = line("git describe --always --dirty --exclude '*'")
    return {
        "machine": f"{os.cpu_count()} x {cpu}, {memory:.0f} GB, Linux {re.match(r'[0-9.]+', platform.release())[0]}, {system}",
        "versions": ", ".join(versions),
        "commit": commit,
        "quick": options.quick,
    }


def where(result):
    m = result["machine"]
    return f"{m['machine']}; {m['versions']}; this module at {m['commit']}." + (" By `--quick`, with few and short rounds." if m["quick"] else "")


# --- tables -------------------------------------------------------------------------------------


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines)])


def values(rounds, key):
    return [one[key] for one in rounds if key in one]


def ratio(rounds, base, key="cpu_us"):
    """The median of the ratios in each round."""
    pairs = [(a[key], b[key]) for a, b in zip(rounds, base) if key in a and key in b]
    return median(a / b for a, b in pairs) if pairs and all(b for _, b in pairs) else None


def of_kind(group, kind):
    return [id for id in group["rounds"] if PATHS[row_of(id).path].kind == kind]


def row_of(id):
    return Row(*id.split(", "))


def best_rival(group):
    return min(of_kind(group, "rival"), key=lambda id: median(values(group["rounds"][id], "cpu_us")), default=None)


def timed_text(result):
    lines = []
    for group in result["groups"]:
        (ceiling,) = of_kind(group, "ceiling")
        rival = best_rival(group)
        first = f"{SIZE_NAMES[group['size']]}, {PROTOCOLS[group['protocol']]}"
        for id, rounds in group["rounds"].items():
            of_ceiling = ratio(rounds, group["rounds"][ceiling])
            of_rival = ratio(rounds, group["rounds"][rival]) if rival else None
            # of 1 GB there are too few
            p99 = values(rounds, "p99_ms") if group["size"] != "1g" else []
            lines.append([
                first,
                row_of(id).name + (" (best rival)" if id == rival else ""),
                spread(values(rounds, "rps")),
                spread(p99) if p99 else "",
                spread(values(rounds, "cpu_us")),
                f"{of_ceiling:.2f}" if of_ceiling else "",
                f"{of_rival:.2f}" if of_rival else "",
            ])  # fmt: skip
            first = ""
    head = ["file", "path", "requests/s", "p99, ms", "CPU, µs/request", "CPU, of static + ofc", "of best rival"]
    text = where(result) + "\n\n" + table(head, lines)
    if result["absent"]:
        text += "\n\nAbsent, and left out: " + ", ".join(result["absent"]) + "."
    return text


def counts_text(result):
    found, lines = result["rows"], []
    ceiling = found["opened"]["instructions"]
    for id, entry in found.items():
        calls = entry["syscalls"]
        lines.append([
            row_of(id).name,
            f"{entry['instructions']:,.0f}",
            f"{entry['instructions'] / ceiling:.3f}",
            f"{sum(calls.values()):.0f}",
            ", ".join(name if count == 1 else f"{name} {count:g}" for name, count in calls.items()),
        ])  # fmt: skip
    head = ["path", "instructions", "of static + ofc", "system calls", "which"]
    return where(result) + "\n\n" + table(head, lines)


def scaling_text(result):
    def cells(rounds):
        return [spread(values(rounds, "rps")), spread(values(rounds, "cpu_us")), spread(values(rounds, "p99_ms"))]

    def by(what, paths):
        counts = sorted({int(id.split(", ")[1]) for id in result[what]})
        return [[f"{count:,}", PATHS[path].name, *cells(result[what][f"{path}, {count}"])] for count in counts for path in paths]

    load = ["requests/s", "CPU, µs/request", "p99, ms"]
    grants = []
    for g in result["grants"]:
        grants.append([f"{g['count']:,}", f"{g['zone'] / g['new']:,.0f} B", f"{g['own'] / 1e6:.1f} MB", "1,000 of them", *cells(g["ready"])])
        grants.append(["", "", "", "any of them", *cells(g["any"])])
    idle, requests, herd = result["idle"], result["requests"], result["herd"]
    return "\n".join([
        where(result),
        "\n### Grants in the zone\n",
        table(["grants", "zone, for each", "worker", "asked for", *load], grants),
        "\n### Connections that ask\n",
        table(["connections", "path", *load], by("connections", ["opened", "cached"])),
        "\n### Files\n",
        table(["files", "path", *load], by("files", ["static", "opened", "cached"])),
        "\n### Idle connections, requests, and many who ask for the same\n",
        f"- Each of {idle['clients']:,} idle connections takes {idle['module']:,.0f} B of a worker with the module after a cached grant, {idle['stock']:,.0f} B of one without it after a static file.",
        f"- {requests['requests']:,} requests let a worker grow by {requests['grown']:,} B.",
        f"- {herd['clients']:,} clients at once with one key that is not in the zone: {herd['calls']} call{'s' if herd['calls'] != 1 else ''} to the app; all were served, {herd['seconds']:.1f} s after the first of them connected.",
    ])  # fmt: skip


def tuning_text(result):
    per_gb = 1024 / 1e6  # µs for 1 MB to seconds for 1 GB
    lines = []
    for variant in result["variants"]:
        rounds = variant["rounds"]
        lines.append([
            variant["name"],
            spread(values(rounds, "rps")),
            *(spread([one * per_gb for one in v]) for v in (values(rounds, "cpu_us"), values(rounds, "client_us"))),
            spread([(one["cpu_us"] + one["client_us"]) * per_gb for one in rounds]),
            ", ".join(name if count == 1 else f"{name} {count:g}" for name, count in variant["calls"].items()),
        ])  # fmt: skip
    head = ["server", "requests/s", "server's CPU, s/GB", "client's CPU, s/GB", "both", "system calls for 1 MB"]
    return where(result) + "\n\n" + table(head, lines)


TEXTS = {"timed": timed_text, "counts": counts_text, "scaling": scaling_text, "tuning": tuning_text}


# --- targets ---------------------------------------------------------------------------------------


def targets_text(timed, counts, scaling):
    """Each target in its words, what was measured, and whether it is met."""
    lines = []

    def add(id, words, *measured):
        known = [m for m in measured if m]
        verdict = "not measured" if len(known) < len(measured) else "met" if all(good for _, good in known) else "**not met**"
        lines.append([id, words, "; ".join(text for text, _ in known), verdict])

    def instructions(id, base, most, name):
        found = counts and counts["rows"]
        if found and id in found and base in found:
            value = found[id]["instructions"] / found[base]["instructions"]
            return f"{value:.3f} of {name}", value <= most

    def calls_of(id):
        # many connections share one epoll_wait
        return sum(count for name, count in counts["rows"][id]["syscalls"].items() if name != "epoll_wait")

    def calls(id, most):
        if counts:
            return f"{calls_of(id):.0f} system calls and epoll_wait", calls_of(id) <= most

    def of(size, protocol, way="full"):
        return next((g["rounds"] for g in timed["groups"] if (g["size"], g["protocol"], g["way"]) == (size, protocol, way)), {}) if timed else {}

    def timed_ratio(size, id, base, key, good, name):
        found = of(size, "http")
        if id in found and base in found:
            value = ratio(found[id], found[base], key)
            return f"{value:.3f} of {name}", good(value)

    static = "opened"
    add("P1", "cached grant, local file: <= 1.08x the instructions of static + open_file_cache, no more system calls; <= 0.58x X-Accel, <= 0.63x auth_request + proxy_cache",
        instructions("cached", static, 1.08, "static + ofc"), counts and calls("cached", calls_of(static)),
        instructions("cached", "x-accel-tcp", 0.58, "X-Accel"), instructions("cached", "auth-cached", 0.63, "auth_request + proxy_cache"))  # fmt: skip
    add("P2", "cached grant, small file: 3 system calls, <= 0.90x the CPU of static + open_file_cache",
        calls("cached", 3), timed_ratio("1k", "cached", static, "cpu_us", lambda r: r <= 0.90, "its CPU"))  # fmt: skip
    add("P3", "asked: <= 1.00x the instructions of X-Accel-Redirect, then <= auth_request + alias",
        instructions("asked-tcp", "x-accel-tcp", 1.0, "X-Accel, both over TCP"), instructions("asked", "auth", 1.0, "auth_request, both over unix"))  # fmt: skip
    add("P4", "signed URL, HMAC-SHA256: not above secure_link's MD5, <= 1.40x static + open_file_cache",
        instructions("signed", "secure-link", 1.0, "secure_link"), instructions("signed", static, 1.40, "static + ofc"),
        timed_ratio("1k", "signed", "secure-link", "cpu_us", lambda r: r <= 1.0, "secure_link's CPU"), timed_ratio("1k", "signed", static, "cpu_us", lambda r: r <= 1.40, "static + ofc's CPU"))  # fmt: skip
    if counts:
        c = {id: entry["instructions"] for id, entry in counts["rows"].items()}
        ours, theirs = c["cached, range"] - c["cached"], c["opened, range"] - c["opened"]
        add("P5", "one range: no more instructions over its full response than static's own range costs", (f"{ours:+,.0f} against {theirs:+,.0f}", ours <= theirs))
    large = [timed_ratio(size, "cached", base, "cpu_us", lambda r, m=most: r <= m, f"{name}, {SIZE_NAMES[size]}") for base, name, most in ((static, "static + ofc", 1.01), ("lighttpd-static", "lighttpd, static", 1.0)) for size in ("1m", "1g")]
    add("P6", "1 MB and 1 GB, CPU per GB: <= 1.01x static, then <= lighttpd", *large)
    idle = scaling and scaling["idle"]
    add("P7", "10,000 idle connections: <= 530 B each", idle and (f"{idle['module']:,.0f} B (without the module {idle['stock']:,.0f} B)", idle["module"] <= 530))
    add("P8", "intercepted X-Sendfile, X-Accel-Redirect: <= 0.95x the instructions of stock X-Accel",
        instructions("intercepted-tcp", "x-accel-tcp", 0.95, "X-Accel, both over TCP"), instructions("intercepted-sendfile", "x-accel", 0.95, "X-Accel, X-Sendfile over unix"))  # fmt: skip
    add("P9", "requests/s of cached >= 0.97x static, p99 <= 1.05x",
        timed_ratio("1k", "cached", static, "rps", lambda r: r >= 0.97, "its requests/s"), timed_ratio("1k", "cached", static, "p99_ms", lambda r: r <= 1.05, "its p99"))  # fmt: skip
    herd = scaling and scaling["herd"]
    add("P10", "10,000 misses on one key: one call to the app", herd and (f"{herd['clients']:,} at once: {herd['calls']} call{'s' if herd['calls'] != 1 else ''}, all served in {herd['seconds']:.1f} s", herd["calls"] == 1))
    return table(["", "target", "measured", ""], lines)


# --- pages ------------------------------------------------------------------------------------------


def renew(name, results):
    """Writes what the results say into the pages, after these of name have been renewed."""

    def load(name):
        file = results / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None

    found = {name: load(name) for name in TEXTS}
    texts = {name: TEXTS[name](result) for name, result in found.items() if result}
    texts["targets"] = targets_text(found["timed"], found["counts"], found.get("scaling"))
    for page in ("benchmarks.md", "scaling.md"):
        file = DOCS / page
        file.write_text(re.sub(
            r"(<!-- (\w+): .*? -->\n).*?(\n<!-- end of \2 -->)",
            lambda m: f"{m[1]}\n{texts[m[2]]}\n{m[3]}" if m[2] in texts else m[0],
            file.read_text(),
            flags=re.DOTALL,
        ))  # fmt: skip
    if name == "timed":
        import plot

        plot.timed(found["timed"], DOCS / "benchmarks.svg")
