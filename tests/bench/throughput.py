# SPDX-License-Identifier: GPL-2.0
"""
throughput.py: packets a second through the router's one processor, by case, family, number of flows and direction.

All flows of a point are sent once first, slowly, and each is seen to come out: what is measured are known flows. The
figure is packets that came out by a second of processor time of the threads that poll the router's devices, so that it
means the same whether these had the processor for themselves or not; beside it stand the packets by the clock.
"""

import bed as beds
import cases

ENDPOINTS = 8000
SETTLE_MS = 100
BUSY = 0.9  # of the time at least, or the point was not bounded by the router
FLOWS = (64, 10_000, 100_000, 1_000_000)


def points(settings):
    """(family, flows, direction), flows of a family from few to many."""
    for family in (4, 6):
        for flows in settings.flows:
            yield family, flows, "up"
            if flows == 10_000:
                yield family, flows, "down"


def sample(bed, case, family, flows, direction, ms):
    """One point of a case that is on."""
    bed.traffic.order("shape", family, ENDPOINTS)
    missing = 0 if case.bare == "drop" else bed.traffic.order("lap", 0, flows)["missing"]
    if missing > flows // 1000:
        raise beds.BenchError(f"{case.name}: {missing} of {flows} IPv{family} flows never came out")
    counts = bed.traffic.order("flood", direction, 0, flows, SETTLE_MS, ms)
    if not counts["checked"] and not counts["dropped"]:
        raise beds.BenchError(f"{case.name}: nothing came out {direction} of {flows} IPv{family} flows")
    return figures(counts) | {
        "case": case.name,
        "family": family,
        "flows": flows,
        "direction": direction,
        "missing": missing,
    }


def figures(counts):
    """What the counts say."""
    out = counts["out"] or counts["dropped"]
    wrong = {name: n for name, n in counts["wrong"].items() if n and name != "processor"}
    return {
        "mpps": out / counts["cpu_ns"] * 1e3,
        "mpps_by_clock": out / counts["ns"] * 1e3,
        "busy": counts["cpu_ns"] / counts["ns"],
        "idle": counts["idle"],
        "refused": counts["refused"] / counts["sent"],
        "lost": counts["lost"] / counts["sent"],
        "checked": counts["checked"],
        "wrong": wrong,
        "unsaturated": counts["cpu_ns"] < BUSY * counts["ns"],
    }


def measure(settings):
    """Every case once a round, and in each round in another order."""
    wanted = [case for case in cases.ALL if settings.wants_case(case.name)]
    samples = []
    with beds.Bed(2) as bed:
        chosen = [case for case in wanted if cases.is_built(bed, case)]
        for number in range(settings.rounds):
            turn = number % len(chosen)
            for case in chosen[turn:] + chosen[:turn]:
                settings.say(f"throughput, round {number + 1} of {settings.rounds}: {case.name}")
                with case.on(bed):
                    for point in points(settings):
                        if point[2] == "up" or not case.bare:
                            one = sample(bed, case, *point, settings.window_ms)
                            samples.append(one | {"round": number})
    return {"samples": samples, "not_measured": [case.name for case in wanted if case not in chosen]}
