"""Holds the instructions per request of some paths, as ratios to those of nginx's static files in the
same run, to the figures in gate.json."""

import json
import platform
import re
import subprocess
from pathlib import Path as File

from counts import count
from paths import BARE, GATE, GATE_BASE, PATHS, UNTOUCHED, rows

FIGURES = File(__file__).parent / "gate.json"
# a ratio may be higher by so much; where compilers and libraries are others than those of the
# figures, by so much
RISE, RISE_ELSEWHERE = 0.01, 0.05


def said_by(*command):
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    return (out.stdout + out.stderr).splitlines()[0].strip()


def nginx_version(nginx):
    return re.search(r"nginx/([\d.]+)", said_by(nginx, "-v"))[1]


def tools():
    rustc = " ".join(said_by("rustc", "--version").split()[:2])
    return [platform.machine(), rustc, f"gcc {said_by('gcc', '-dumpfullversion')}", said_by("valgrind", "--version"), "glibc " + platform.libc_ver()[1]]


def figures():
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {}


def untouched(found):
    """Whatever the figures: those who do not use the module hardly notice it."""
    good = True
    for row, rise in UNTOUCHED.items():
        ratio = found[row.id]["instructions"] / found[BARE.id]["instructions"]
        high = ratio > 1 + rise
        good = good and not high
        print(f"{'FAILED   ' if high else 'ok       '} {row.name}: {ratio:.4f} times what it takes without, at most {1 + rise} is allowed")
    return good


def main(nginx, module, port, save):
    """Prints a line for each path; true if all are in bounds."""
    version, all_figures, here = nginx_version(nginx), figures(), tools()
    found = count(nginx, module, port, [*rows(GATE_BASE), *GATE, BARE, *UNTOUCHED], ["instructions"])
    base = found[GATE_BASE]["instructions"]
    ratios = {row.id: found[row.id]["instructions"] / base for row in GATE}
    print(f"nginx {version}, {', '.join(here)}; {PATHS[GATE_BASE].name}: {base:,.0f} instructions a request")
    good = untouched(found)
    if save:
        all_figures[version] = {"tools": here, "ratios": {id: round(ratio, 4) for id, ratio in ratios.items()}}
        FIGURES.write_text(json.dumps(dict(sorted(all_figures.items())), indent=2) + "\n")
    if version not in all_figures:
        print(f"ok        measured only, there are no figures of nginx {version}: scripts/bench --gate --save NGINX makes some")
        return good
    committed, rise = all_figures[version], RISE
    if committed["tools"] != here:
        rise = RISE_ELSEWHERE
        print(f"the figures are of {', '.join(committed['tools'])}: here a ratio may be {rise:.0%} higher")
    for id, ratio in ratios.items():
        want = committed["ratios"][id]
        high = ratio > want * (1 + rise)
        good = good and not high
        print(f"{'FAILED   ' if high else 'ok       '} {id}: {ratio:.4f} times that, committed are {want:.4f}")
        if ratio < want * (1 - RISE):
            print(f"          lower by more than {RISE:.0%}: renew the figures")
    if not good:
        print("a path got slower: scripts/bench --profile ROW says by which functions; if it has to be, renew the figures by scripts/bench --gate --save NGINX")
    return good
