# SPDX-License-Identifier: GPL-2.0
"""
Traffic for the lab: servers that tell by which WAN they were reached, clients that note what became of it.

    python3 scripts/lab.d/traffic COMMAND --help

Each runs for --duration seconds at most and writes one JSON object a line to standard output. Times are
nanoseconds of CLOCK_MONOTONIC, the same for all processes of the machine. `wan` is the source address that the
server saw, which in the lab belongs to one WAN; servers on :: take both families. SIGTERM ends a client early,
its account complete.
What the lines add up to is account.py's; this file reads the command line.
"""

import argparse

import dns_loop
import http_loop
import tcp_session
import udp_stream


def main():
    parser = argparse.ArgumentParser(prog="traffic", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (udp_stream, http_loop, tcp_session, dns_loop):
        module.add_commands(commands)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
