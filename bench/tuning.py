"""Large files: what settings of nginx change, and what lighttpd does otherwise."""

from statistics import median

from counts import syscalls
from load import check, measure
from paths import PATHS, SIZES, Row
from processes import say
from servers import Servers, absent


def inside(directives):
    return lambda text: text.replace("location /opened/ {", "location /opened/ { " + directives)


def listening(parameter):
    return lambda text: text.replace("backlog=16384", "backlog=16384 " + parameter)


def whole(text):
    return text


# a setting, for which server, and how its configuration is edited
VARIANTS = [
    ("as it is: `sendfile on; tcp_nopush on`", "opened", whole),
    ("`tcp_nopush off`", "opened", inside("tcp_nopush off;")),
    ("`sendfile_max_chunk 256k`", "opened", inside("sendfile_max_chunk 256k;")),
    ("`sendfile_max_chunk 0`", "opened", inside("sendfile_max_chunk 0;")),
    ("`listen ... sndbuf=256k`", "opened", listening("sndbuf=256k")),
    ("`listen ... sndbuf=1m`", "opened", listening("sndbuf=1m")),
    ("`listen ... sndbuf=4m`", "opened", listening("sndbuf=4m")),
    ("`postpone_output 0`", "opened", inside("postpone_output 0;")),
    ("`sendfile off`", "opened", inside("sendfile off;")),
    ("`sendfile off; output_buffers 2 256k`", "opened", inside("sendfile off; output_buffers 2 256k;")),
    ("`sendfile off; output_buffers 1 1m`", "opened", inside("sendfile off; output_buffers 1 1m;")),
    ("lighttpd, as it is", "lighttpd-static", whole),
    ("lighttpd, `server.network-backend = \"writev\"`", "lighttpd-static", lambda text: text + '\nserver.network-backend = "writev"\n'),
]


def tuning(options):
    seconds, rounds = (1, 3) if options.quick else (2, 5)
    found = []
    with Servers(options.nginx, options.module, options.port, {"1m": SIZES["1m"]}) as servers:
        servers.start("app")
        variants = [variant for variant in VARIANTS if PATHS[variant[1]].server not in absent()]
        calls = []
        for name, path, edit in variants:
            say(f"{name}: system calls")
            calls.append(syscalls(servers, PATHS[path], "1m", "full", edit))
        for _ in range(rounds):
            say("a round")
            for number, (name, path, edit) in enumerate(variants):
                server = servers.start(PATHS[path].server, edit=edit)
                check(servers, Row(path), "1m", "http")
                one = measure(servers, Row(path), "1m", "http", seconds)
                server.stop()
                if len(found) == number:
                    found.append({"name": name, "calls": calls[number], "rounds": []})
                found[number]["rounds"].append(one)
    return {"variants": found}
