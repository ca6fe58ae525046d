# SPDX-License-Identifier: GPL-2.0
"""report.py: what was measured, as text: tables with medians and spread."""

import statistics


def median(values):
    return statistics.median(values)


def quartiles(values):
    """(first, third); of few values the least and the most."""
    if len(values) < 4:
        return min(values), max(values)
    cut = statistics.quantiles(values, n=4)
    return cut[0], cut[2]


def group(samples, *keys):
    """Values of the keys → the samples that have them, in the order of their first ones."""
    groups = {}
    for sample in samples:
        groups.setdefault(tuple(sample[key] for key in keys), []).append(sample)
    return groups


def table(rows, head):
    """Lines of columns, as wide as they must be."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def mark(samples):
    """~ where most samples were bounded by something else than the router."""
    return "~" if sum(one["unsaturated"] for one in samples) * 2 > len(samples) else ""


def wrong(samples):
    return sum(sum(one["wrong"].values()) for one in samples)


def throughput(result):
    rows = []
    for (family, flows, direction), of_point in group(result["samples"], "family", "flows", "direction").items():
        for (case,), samples in group(of_point, "case").items():
            values = [one["mpps"] for one in samples]
            low, high = quartiles(values)
            rows.append(
                [
                    f"IPv{family}",
                    f"{flows:,}",
                    direction,
                    case,
                    f"{median(values):.3f}{mark(samples)}",
                    f"{low:.3f}-{high:.3f}",
                    f"{median([one['mpps_by_clock'] for one in samples]):.3f}",
                    f"{median([one['busy'] for one in samples]):.0%}",
                    f"{median([one['refused'] for one in samples]):.0%}",
                    f"{median([one['lost'] for one in samples]):.1%}",
                    sum(one["checked"] for one in samples),
                    wrong(samples),
                ]
            )
    head = ["", "flows", "way", "case", "Mpps", "quartiles", "by clock", "busy", "refused", "lost", "checked", "wrong"]
    return "Throughput, one core, Mpps (~: the generator could not keep the core busy)\n\n" + table(rows, head)


def newflows(result):
    rows = []
    for (family, case), samples in group(result["samples"], "family", "case").items():
        values = [one["mfps"] * 1e3 for one in samples]
        low, high = quartiles(values)
        rows.append(
            [
                f"IPv{family}",
                case,
                f"{median(values):.0f}{mark(samples)}",
                f"{low:.0f}-{high:.0f}",
                f"{median([one['busy'] for one in samples]):.0%}",
                sum(one["checked"] for one in samples),
                wrong(samples),
            ]
        )
    head = ["", "case", "thousands/s", "quartiles", "busy", "checked", "wrong"]
    return "New flows a second, one core\n\n" + table(rows, head)


def scale(result):
    rows = []
    for (family, case), samples in group(result["samples"], "family", "case").items():
        values = [one["mpps"] for one in samples]
        low, high = quartiles(values)
        rows.append([f"IPv{family}", case, f"{median(values):.3f}{mark(samples)}", f"{low:.3f}-{high:.3f}", wrong(samples)])
    return "10,000 flows by size of the configuration, Mpps\n\n" + table(rows, ["", "case", "Mpps", "quartiles", "wrong"])


def hooks(result):
    rows = []
    for (family, hook), samples in group(result["samples"], "family", "hook").items():
        values = [one["net_ns"] for one in samples]
        low, high = quartiles(values)
        empty = median([one["empty_ns"] for one in samples])
        rows.append([f"IPv{family}", hook, f"{median(values):.0f}", f"{low:.0f}-{high:.0f}", f"{empty:.0f}"])
    programs = [
        [f"IPv{one['family']}", one["program"], one["xlated_insns"], one["jited_bytes"], one["verified_insns"]]
        for one in result["programs"]
    ]
    return (
        "Nanoseconds a packet (BPF_PROG_TEST_RUN, without what an empty program takes)\n\n"
        + table(rows, ["", "hook", "ns", "quartiles", "empty"])
        + "\n\nPrograms\n\n"
        + table(programs, ["", "program", "instructions", "bytes of machine code", "instructions verified"])
    )


SECTIONS = {"throughput": throughput, "newflows": newflows, "scale": scale, "hooks": hooks}


def wrong_packets(results):
    """Of all parts."""
    return sum(
        sum(sample.get("wrong", {}).values()) for result in results.values() for sample in result["samples"]
    )


def text(results):
    return "\n\n".join(SECTIONS[name](result) for name, result in results.items() if name in SECTIONS)
