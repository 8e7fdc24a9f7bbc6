"""The timed rounds: each row of a group in turn, again and again."""

from load import CONNECTIONS, check, measure
from paths import PATHS, SIZE_NAMES, TIMED
from processes import say
from servers import NEEDS, Servers, absent

# seconds, rounds and connections by size
FULL = {"1g": (4, 3, 2), None: (2, 5, CONNECTIONS)}
QUICK = {"1g": (2, 2, 2), None: (1, 3, CONNECTIONS)}


def timed(options):
    groups, plan = [], QUICK if options.quick else FULL
    with Servers(options.nginx, options.module, options.port) as servers:
        for name in ("app", "stock", "module", *NEEDS):
            if name not in absent():
                servers.start(name)
        for group in TIMED:
            rows = [row for row in group.rows if PATHS[row.path].server in servers.running]
            seconds, rounds, connections = plan.get(group.size, plan[None])
            say(f"{SIZE_NAMES[group.size]}, {group.protocol}, {group.way}: {len(rows)} rows, {rounds} rounds of {seconds} s")
            for row in rows:
                check(servers, row, group.size, group.protocol)
            found = {row.id: [] for row in rows}
            for _ in range(rounds):
                for row in rows:
                    found[row.id].append(measure(servers, row, group.size, group.protocol, seconds, connections))
            groups.append({"size": group.size, "protocol": group.protocol, "way": group.way, "rounds": found})
    return {"groups": groups, "absent": absent()}
