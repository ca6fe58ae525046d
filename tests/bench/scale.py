# SPDX-License-Identifier: GPL-2.0
"""
scale.py: throughput of 10,000 known flows by the size of wanhelm's configuration: match lines, WANs, classes. All
samples come from one bed with eight WANs.
"""

import dataclasses

import bed as beds
import cases
import throughput

FLOWS = 10_000
SIZES = (
    (1, 2, 1),
    (64, 2, 1),
    (1024, 2, 1),
    (1, 8, 1),
    (1024, 8, 1),
    (64, 2, 64),
    (1024, 2, 64),
    (64, 8, 64),
    (1024, 8, 64),
)
ENDS = (SIZES[0], SIZES[-1])


def sized(case, lines, wans, classes):
    name = f"{case.name} {lines} lines {wans} WANs {classes} classes"
    return dataclasses.replace(case, name=name, lines=lines, wans=wans, classes=classes)


def chosen_cases(bed, settings):
    """The two ends of each way, and what is between for the fastest way."""
    ways = [case for case in (cases.WANHELM_XDP, cases.WANHELM_TC) if cases.is_built(bed, case)]
    sizes = {way.name: SIZES if way is ways[0] and not settings.quick else ENDS for way in ways}
    return [sized(way, *size) for way in ways for size in sizes[way.name]]


def measure(settings):
    samples = []
    with beds.Bed(8) as bed:
        chosen = chosen_cases(bed, settings)
        for number in range(settings.few_rounds):
            turn = number % len(chosen)
            for case in chosen[turn:] + chosen[:turn]:
                settings.say(f"scale, round {number + 1} of {settings.few_rounds}: {case.name}")
                with case.on(bed):
                    for family in (4, 6):
                        one = throughput.sample(bed, case, family, FLOWS, "up", settings.window_ms)
                        samples.append(one | {"round": number})
    return {"samples": samples, "not_measured": []}
