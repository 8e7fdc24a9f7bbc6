"""What scripts/bench runs, once everything is there."""

import argparse
import json
import sys
from pathlib import Path as File

import gate
from counts import count, functions
from paths import COUNTED, PATHS, rows
from processes import Wrong, end_by_exit, say
from servers import Servers, absent

RESULTS = File(__file__).parent / "results"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("mode", choices=["timed", "counts", "scaling", "tuning", "gate", "profile"])
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--row", default="cached")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    end_by_exit()
    try:
        return MODES[options.mode](options)
    except Wrong as wrong:
        say(f"scripts/bench: {wrong}")
        return 1


def counts(options):
    import report

    wanted = [row for row in COUNTED if PATHS[row.path].server not in absent()]
    result = {"machine": report.machine(options), "rows": count(options.nginx, options.module, options.port, wanted)}
    return finish("counts", result, options)


def timed(options):
    import report
    import rounds

    result = {"machine": report.machine(options)} | rounds.timed(options)
    return finish("timed", result, options)


def scaling(options):
    import report
    import scale

    result = {"machine": report.machine(options)} | scale.scaling(options)
    return finish("scaling", result, options)


def tuning(options):
    import report
    import tuning

    result = {"machine": report.machine(options)} | tuning.tuning(options)
    return finish("tuning", result, options)


def finish(name, result, options):
    import report

    print(report.TEXTS[name](result))
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        report.renew(name, RESULTS)
    return 0


def hold(options):
    return 0 if gate.main(options.nginx, options.module, options.port, options.save) else 1


def profile(options):
    (row,) = rows(options.row)
    if row.path not in PATHS:
        raise Wrong(f"no such row: {row.path}; there are {', '.join(PATHS)}, and with ', range' and so on")
    with Servers(options.nginx, options.module, options.port, {"1k": 1024}) as servers:
        servers.start("app")
        for name, instructions in functions(servers, PATHS[row.path], "1k", row.way):
            print(f"{instructions:9.1f}  {name}")
    return 0


MODES = {"timed": timed, "counts": counts, "scaling": scaling, "tuning": tuning, "gate": hold, "profile": profile}

if __name__ == "__main__":
    sys.exit(main())
