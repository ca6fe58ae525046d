# SPDX-License-Identifier: GPL-2.0
"""
newflows.py: new flows a second through the router's one processor: every packet is the first of its flow, as fast as
the router takes them. A flow counts when its packet has come out; tables are empty at the start of each sample, and
hold at least as many flows afterwards as came out. 8000 endpoints (client and port) take part, each with ever more
destinations, so most of the flows find their endpoint's binding.
"""

import dataclasses

import bed as beds
import cases
import throughput

CASES = (
    cases.MASQUERADE,
    *(
        dataclasses.replace(cases.WANHELM_TC, name=f"wanhelm-tc-{firewall}", firewall=firewall)
        for firewall in ("bypass", "untracked", "kernel")
    ),
    *(
        dataclasses.replace(cases.WANHELM_XDP, name=f"wanhelm-xdp-{firewall}", firewall=firewall)
        for firewall in ("bypass", "untracked", "kernel")
    ),
)


def held(bed, case):
    """Flows that the tables hold, of both families."""
    if case.accel:
        return bed.daemon.json("flows", "--count")["flows"]
    return int(bed.run("router", "conntrack", "-C").stdout)


def sample(bed, case, family, ms):
    before = held(bed, case)
    bed.traffic.order("shape", family, throughput.ENDPOINTS)
    counts = bed.traffic.order("flood", "up", 0, 0, throughput.SETTLE_MS // 2, ms)
    new = held(bed, case) - before
    if new < counts["out"] or not counts["out"]:
        raise beds.BenchError(f"{case.name}: {counts['out']} IPv{family} packets came out, but only {new} new flows")
    figures = throughput.figures(counts)
    return figures | {"case": case.name, "family": family, "new": new, "mfps": figures["mpps"]}


def measure(settings):
    samples = []
    with beds.Bed(2) as bed:
        chosen = [case for case in CASES if cases.is_built(bed, case)]
        for number in range(settings.rounds):
            turn = number % len(chosen)
            for case in chosen[turn:] + chosen[:turn]:
                settings.say(f"new flows, round {number + 1} of {settings.rounds}: {case.name}")
                with case.on(bed):
                    for family in (4, 6):
                        samples.append(sample(bed, case, family, settings.window_ms) | {"round": number})
    return {"samples": samples, "not_measured": [case.name for case in CASES if case not in chosen]}
