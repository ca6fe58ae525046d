# SPDX-License-Identifier: GPL-2.0
"""
flowtable.py: throughput beside an nft flowtable in software, where the kernel has flowtables. Made for an emulated
machine (`make bench-vm`): timers are slow there, tables small, and only the ratios mean anything.
"""

import dataclasses
import re

import bed as beds
import cases
import throughput

FLOWS = 1000
CASES = (cases.MASQUERADE, cases.FLOWTABLE, dataclasses.replace(cases.WANHELM_TC, limit=65536))
SINK_POLL_NS = 500_000
CHECK_EVERY = 32  # as in frames.h


def by_chains(bed):
    """Packets that passed the forward chain, instead of the flowtable."""
    return int(re.search(r"counter packets (\d+)", bed.run("router", "nft", "list", "ruleset").stdout)[1])


def offloaded(bed, family):
    """How many flows conntrack says are in a flowtable."""
    return bed.run("router", "conntrack", "-L", "-f", f"ipv{family}").stdout.count("[OFFLOAD]")


def measure(settings):
    samples, passed_by = [], set()
    with beds.Bed(2) as bed:
        bed.sink_poll_ns = SINK_POLL_NS
        for number in range(settings.rounds):
            turn = number % len(CASES)
            for case in CASES[turn:] + CASES[:turn]:
                settings.say(f"flowtable, round {number + 1} of {settings.rounds}: {case.name}")
                with case.on(bed):
                    for family in (4, 6):
                        bed.traffic.order("shape", family, throughput.ENDPOINTS)
                        bed.traffic.order("lap", 0, FLOWS)
                        bed.traffic.order("forget")  # once more: a flowtable takes a flow with its second packet
                        before = by_chains(bed) if case is cases.FLOWTABLE else 0
                        one = throughput.sample(bed, case, family, FLOWS, "up", settings.window_ms)
                        in_flowtable = offloaded(bed, family)
                        if (case is cases.FLOWTABLE) != (in_flowtable >= FLOWS * 0.99):
                            raise beds.BenchError(f"{case.name}: {in_flowtable} IPv{family} flows are in a flowtable")
                        if case is cases.FLOWTABLE and by_chains(bed) - before > one["checked"] * CHECK_EVERY / 2:
                            passed_by.add(f"IPv{family} by flowtable: it has the flows, but packets pass the chains")
                            continue
                        samples.append(one | {"round": number, "offloaded": in_flowtable})
    return {"samples": samples, "not_measured": sorted(passed_by)}
