"""What scripts/soak runs, once everything is there."""

import argparse
import sys

import connection
import crossings
import descriptors
import mixed
import reloads
from processes import Wrong, end_by_exit, say

CAMPAIGNS = {"mixed": mixed, "crossings": crossings, "descriptors": descriptors, "reloads": reloads, "connection": connection}


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", default="")
    parser.add_argument("--plot")
    options = parser.parse_args()
    end_by_exit()
    try:
        return CAMPAIGNS[options.campaign].run(options).end(options.campaign)
    except Wrong as wrong:
        say(f"scripts/soak: {wrong}")
        return 1


sys.exit(main())
