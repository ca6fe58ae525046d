# SPDX-License-Identifier: GPL-2.0
"""
goals.py: the ratios that users are promised, from what this run has measured. A ratio is taken within each round, and
the median of the rounds is held against the goal. Throughput is by processor time; where a side of the ratio was not
bounded by the router it is marked with ~.
"""

from report import group, mark, median, quartiles, table

AT_LEAST, AT_MOST = ">=", "<="


def goal(name, relation, wanted, ratios, marked=""):
    """A row, or nothing where there is nothing to compare."""
    if not ratios:
        return []
    got = median(ratios)
    low, high = quartiles(ratios)
    reached = got >= wanted if relation == AT_LEAST else got <= wanted
    return [
        {
            "goal": name,
            "wanted": f"{relation} {wanted}",
            "ratio": got,
            "quartiles": [low, high],
            "marked": marked,
            "reached": reached,
        }
    ]


def by_rounds(samples, key, over, under):
    """key of the samples that `over` fits to that of those that `under` fits, of each round; and the mark."""
    ratios, used = [], []
    for of_round in group(samples, "round").values():
        a = [one for one in of_round if over.items() <= one.items()]
        b = [one for one in of_round if under.items() <= one.items()]
        if a and b:
            ratios.append(median([one[key] for one in a]) / median([one[key] for one in b]))
            used += a + b
    sides = [[one for one in used if side.items() <= one.items()] for side in (over, under)]
    marked = any(side and "unsaturated" in side[0] and mark(side) for side in sides)
    return ratios, "~" if marked else ""


def throughput(result):
    samples, rows = result["samples"], []

    def compare(name, wanted, over, under, **at):
        point = {"direction": "up"} | at
        ratios, marked = by_rounds(samples, "mpps", {"case": over} | point, {"case": under} | point)
        label = f"{name}, IPv{at['family']}, {at['flows']:,} flows"
        rows.extend(goal(label, AT_LEAST, wanted, ratios, marked))

    for family in (4, 6):
        for flows, wanted in ((64, 6), (10_000, 6), (1_000_000, 4)):
            compare("XDP / masquerade", wanted, "wanhelm-xdp", "masquerade", family=family, flows=flows)
        for flows in (64, 10_000):
            compare("XDP / bare XDP redirect", 0.75, "wanhelm-xdp", "bare-xdp", family=family, flows=flows)
        for flows in (64, 10_000):
            compare("tc / masquerade", 2.2, "wanhelm-tc", "masquerade", family=family, flows=flows)
    for case in ("wanhelm-xdp", "wanhelm-tc"):
        at = {"case": case, "flows": 10_000, "direction": "up"}
        ratios, marked = by_rounds(samples, "mpps", at | {"family": 4}, at | {"family": 6})
        rows += goal(f"cost of IPv6 / IPv4, {case}, 10,000 flows", AT_MOST, 1.25, ratios, marked)
    return rows


def newflows(result):
    rows = []
    for family in (4, 6):
        for way in ("wanhelm-xdp", "wanhelm-tc"):
            for firewall, wanted in (("bypass", 3), ("untracked", 1.5), ("kernel", 0.85)):
                over = {"family": family, "case": f"{way}-{firewall}"}
                under = {"family": family, "case": "masquerade"}
                ratios, marked = by_rounds(result["samples"], "mfps", over, under)
                rows += goal(f"new flows, {way} {firewall} / masquerade, IPv{family}", AT_LEAST, wanted, ratios, marked)
    return rows


def scale(result):
    rows = []
    for family in (4, 6):
        for way in ("wanhelm-xdp", "wanhelm-tc"):
            sizes = [f"{way} {size}" for size in ("1024 lines 8 WANs 64 classes", "1 lines 2 WANs 1 classes")]
            over, under = ({"family": family, "case": case} for case in sizes)
            ratios, marked = by_rounds(result["samples"], "mpps", over, under)
            name = f"{way}, 1024 lines 8 WANs 64 classes / 1 line 2 WANs 1 class, IPv{family}"
            rows += goal(name, AT_LEAST, 0.95, ratios, marked)
    return rows


def tcp(result):
    rows = []
    for (family, what), samples in group(result["samples"], "family", "what").items():
        if "gbit" in samples[0]:
            ratios, _ = by_rounds(samples, "gbit", {"case": "wanhelm-tc"}, {"case": "masquerade"})
            rows += goal(f"TCP {what}, tc / masquerade, IPv{family}", AT_LEAST, 0.97, ratios)
    return rows


def failover(result):
    samples, many, rows = result["samples"], result["many"], []
    for way in ("wanhelm-xdp", "wanhelm-tc"):
        at_many, at_few = {"way": way, "flows": many}, {"way": way, "flows": 10}
        ratios, _ = by_rounds(samples, "first_ns", at_many, at_few)
        rows += goal(f"flip with {many:,} flows / with 10, {way}", AT_MOST, 1.2, ratios)
        ratios, _ = by_rounds(samples, "first_ns", {"way": "rules", "flows": many}, at_many)
        rows += goal(f"change of rules, first flow / flip, {many:,} flows, {way}", AT_LEAST, 100, ratios)
        flips_ns = [one["first_ns"] for one in samples if at_many.items() <= one.items()]
        done_ns = [one["done_ns"] for one in samples if one["flows"] == many and "done_ns" in one]
        ratios = [ns / median(flips_ns) for ns in done_ns if flips_ns]
        rows += goal(f"change of rules, last flow / flip, {many:,} flows, {way}", AT_LEAST, 100, ratios)
    return rows


def flowtable(result):
    rows = []
    for family in (4, 6):
        for case in ("masquerade", "flowtable"):
            over, under = {"family": family, "case": "wanhelm-tc"}, {"family": family, "case": case}
            ratios, _ = by_rounds(result["samples"], "mpps", over, under)
            rows += goal(f"wanhelm-tc / {case}, IPv{family}", AT_LEAST, 1, ratios)
    return rows


PARTS = {
    "throughput": throughput,
    "newflows": newflows,
    "scale": scale,
    "tcp": tcp,
    "failover": failover,
    "flowtable": flowtable,
}


def judge(results):
    return [row for name, of_part in PARTS.items() if name in results for row in of_part(results[name])]


def text(rows):
    shown = [
        [
            row["goal"],
            row["wanted"],
            f"{row['ratio']:.2f}{row['marked']}",
            f"{row['quartiles'][0]:.2f}-{row['quartiles'][1]:.2f}",
            "reached" if row["reached"] else "NOT REACHED",
        ]
        for row in rows
    ]
    return "Goals (ratios within each round, median)\n\n" + table(shown, ["", "goal", "ratio", "quartiles", ""])
