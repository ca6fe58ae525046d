# SPDX-License-Identifier: GPL-2.0
"""
What the lines of the traffic clients add up to. Pure functions over lists of records; used by the network
tests and by scripts/demo. All times are nanoseconds of CLOCK_MONOTONIC.
"""


def echoes(stream):
    """Echoed datagrams of a udp-client, in the order they came back."""
    return sorted((r for r in stream if r.get("echoed_ns")), key=lambda r: r["echoed_ns"])


def lost(stream, since_ns=0, until_ns=float("inf")):
    """Datagrams sent in a time and never echoed."""
    return [r for r in stream if "seq" in r and r["echoed_ns"] is None and since_ns <= r["sent_ns"] < until_ns]


def max_gap_ns(stream, since_ns=0, until_ns=float("inf")):
    """The longest time between two echoes; None with fewer than two."""
    times = [r["echoed_ns"] for r in echoes(stream) if since_ns <= r["echoed_ns"] < until_ns]
    return max((b - a for a, b in zip(times, times[1:])), default=None)


def switch(stream, since_ns):
    """
    The first change of WAN at or after an instant, as the echoes show it: (last echo by the old, first by the
    new, the new WAN), or None.
    """
    seen = echoes(stream)
    for last, first in zip(seen, seen[1:]):
        if first["echoed_ns"] >= since_ns and first["wan"] != last["wan"]:
            return last["echoed_ns"], first["echoed_ns"], first["wan"]
    return None


def tries(loop, since_ns=0, until_ns=float("inf")):
    """Attempts of an http-client or dns-client that began in a time, in the order they began."""
    return sorted((r for r in loop if "ok" in r and since_ns <= r["at_ns"] < until_ns), key=lambda r: r["at_ns"])


def failed(loop, since_ns=0, until_ns=float("inf")):
    return [r for r in tries(loop, since_ns, until_ns) if not r["ok"]]


def first_by(loop, wan, since_ns):
    """The first attempt that began after an instant and succeeded by that WAN, or None."""
    return next((r for r in tries(loop, since_ns) if r["ok"] and r["wan"] == wan), None)


def events(session, name, since_ns=0):
    """A tcp-client's events of one name at or after an instant."""
    return [r for r in session if r.get("event") == name and r["at_ns"] >= since_ns]
