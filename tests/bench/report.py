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


def rates(result):
    rows = []
    for (family, case), samples in group(result["samples"], "family", "case").items():
        values = [one["mpps"] for one in samples]
        low, high = quartiles(values)
        shown = f"{median(values):.3f}{mark(samples)}"
        rows.append([f"IPv{family}", case, shown, f"{low:.3f}-{high:.3f}", wrong(samples)])
    return table(rows, ["", "case", "Mpps", "quartiles", "wrong"])


def scale(result):
    return "10,000 flows by size of the configuration, Mpps\n\n" + rates(result)


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


def time_of(ns):
    return f"{ns / 1e9:.2f} s" if ns >= 1e9 else f"{ns / 1e6:.2f} ms" if ns >= 1e6 else f"{ns / 1e3:.0f} us"


def failover(result):
    rows = []
    for (way, flows), samples in group(result["samples"], "way", "flows").items():
        values = [one["first_ns"] for one in samples]
        done = [one["done_ns"] for one in samples if "done_ns" in one]
        row = [way, f"{flows:,}", time_of(median(values)), "-".join(map(time_of, quartiles(values))), len(values)]
        rows.append([*row, time_of(median(done)) if done else ""])
    return "From the decision to the first packet by the other WAN, with its address\n\n" + table(
        rows, ["way", "flows", "median", "quartiles", "times", "last command ended"]
    )


def controller(result):
    rows = [
        [
            f"{one['flows']:,}",
            f"{one['cpu_percent']:.2f} %",
            f"{one['rss_kb'] / 1000:.1f} MB",
            f"{one['walk_s']:.1f} s",
            f"{one['walk_cpu_s'] * 1e3:.0f} ms",
            f"{one['count_command_s'] * 1e3:.0f} ms",
        ]
        for one in result["samples"]
    ]
    head = ["flows", "processor", "memory", "one walk", "of processor time", "`wanhelm flows --count`"]
    memory = result["memory"]
    tables = [
        [name, f"{one['entries']:,}", one["bytes"] // 1_000_000, f"{one['bytes'] / one['entries']:.0f}"]
        for name, one in memory["tables"].items()
    ]
    return (
        "wanhelmd with its prober, nothing but probes going on\n\n"
        + table(rows, head)
        + "\n\nThe kernel's tables, allocated at the start\n\n"
        + table(tables, ["map", "entries", "MB", "bytes an entry"])
        + "\n"
        + ", ".join(f"IPv{family}: {size:.0f} bytes a flow in all" for family, size in memory["bytes_per_flow"].items())
    )


def pairs(samples, key):
    """What our sample has to the kernel's, of each round."""
    rounds = group(samples, "round").values()
    by_case = [{one["case"]: one[key] for one in of_round} for of_round in rounds]
    return [one["wanhelm-tc"] / one["masquerade"] for one in by_case if len(one) == 2]


TCP_UNITS = {"gbit": ("Gbit/s", 1), "median_ns": ("us, median", 1e-3), "p99_ns": ("us, p99", 1e-3)}


def tcp(result):
    rows = []
    for (family, what), samples in group(result["samples"], "family", "what").items():
        for key, (unit, scale_by) in TCP_UNITS.items():
            if key not in samples[0]:
                continue
            kernel, ours = (
                median([one[key] for one in samples if one["case"] == case]) * scale_by
                for case in ("masquerade", "wanhelm-tc")
            )
            ratios = pairs(samples, key)
            low, high = quartiles(ratios)
            row = [f"IPv{family}", what, unit, f"{kernel:.2f}", f"{ours:.2f}"]
            rows.append([*row, f"{median(ratios):.3f}", f"{low:.2f}-{high:.2f}"])
    head = ["", "what", "", "masquerade", "wanhelm-tc", "ratio by pairs", "quartiles"]
    return "Ordinary sockets, all offloads on, sharing the processors with the router\n\n" + table(rows, head)


def flowtable(result):
    return "Beside an nft flowtable; in an emulated machine only ratios mean anything\n\n" + rates(result)


SECTIONS = {
    "flowtable": flowtable,
    "throughput": throughput,
    "newflows": newflows,
    "scale": scale,
    "hooks": hooks,
    "failover": failover,
    "controller": controller,
    "tcp": tcp,
}


def wrong_packets(results):
    """Of all parts."""
    return sum(
        sum(sample.get("wrong", {}).values()) for result in results.values() for sample in result["samples"]
    )


def head(machine, settings):
    versions = ", ".join(f"{name}: {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}\n"
        f"{machine['command']}\n{versions}\nload before: {machine['load_before']:.2f}; {settings.rounds} rounds of "
        f"{settings.window_ms} ms windows"
    )


def sceptics(results):
    """What was verified, and what was not so."""
    looked_at = [one for result in results.values() for one in result["samples"] if "checked" in one]
    disturbed = [one for one in looked_at if one["busy"] < 0.9 and one["idle"] < 0.05]
    unsaturated = sum(one["unsaturated"] for one in looked_at)
    lines = [
        f"{len(looked_at)} samples of packets; of these packets one in 32 was looked at closely,",
        f"{sum(one['checked'] for one in looked_at):,} in all: addresses, ports, TTL and checksums, "
        f"{wrong(looked_at)} wrong.",
        f"Samples in which the generator could not keep the router busy: {unsaturated},",
        f"in {len(disturbed)} of which something else ran on the router's core.",
        f"Of known flows, {sum(one.get('missing', 0) for one in looked_at)} never came out before measuring.",
    ]
    return "For the sceptic (tests/bench/README says how all this is measured)\n\n" + "\n".join(lines)


def text(results):
    return "\n\n".join(SECTIONS[name](result) for name, result in results.items() if name in SECTIONS)
