# SPDX-License-Identifier: GPL-2.0
"""plot.py: the results as pictures (SVG), drawn by hand: lines over the number of flows, and bars."""

import html
import math

from report import group, median, quartiles

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888", "#222222")
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 46, 50


class Picture:
    """Elements of one SVG; coordinates are of the drawing."""

    def __init__(self, title, unit, height=HEIGHT):
        self.height = height
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            'font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        ]
        self.text(LEFT, 20, title, size=15)
        self.text(LEFT, 37, unit, colour="#555")

    def text(self, x, y, words, size=12, anchor="start", colour="#222"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
            f"{html.escape(str(words))}</text>"
        )

    def line(self, x1, y1, x2, y2, colour="#ddd", width=1):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        )

    def dot(self, x, y, colour, hollow):
        fill = "white" if hollow else colour
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" stroke-width="2"/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def save(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n", encoding="utf-8")


def steps_to(top):
    """Values for lines of a scale from 0 to at least top."""
    step = 10 ** math.floor(math.log10(top))
    while top / step < 4:
        step /= 2
    return [step * i for i in range(math.ceil(top / step) + 1)]


def lines(path, title, unit, series, names):
    """series: name → [(column, median, low, high, hollow)]; names of the columns."""
    picture = Picture(title, unit)
    steps = steps_to(max(high for of_it in series.values() for _, _, _, high, _ in of_it))

    def x(column):
        return LEFT + (WIDTH - LEFT - RIGHT) * (column + 0.5) / len(names)

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / steps[-1]

    for value in steps:
        picture.line(LEFT, y(value), WIDTH - RIGHT, y(value))
        picture.text(LEFT - 6, y(value) + 4, f"{value:g}", anchor="end")
    for column, name in enumerate(names):
        picture.text(x(column), HEIGHT - BOTTOM + 18, name, anchor="middle")
    for number, (name, of_it) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        for (a, value_a, *_), (b, value_b, *_) in zip(of_it, of_it[1:]):
            picture.line(x(a), y(value_a), x(b), y(value_b), colour, 2)
        for column, value, low, high, hollow in of_it:
            picture.line(x(column), y(low), x(column), y(high), colour)
            picture.dot(x(column), y(value), colour, hollow)
        picture.dot(WIDTH - RIGHT + 20, TOP + 20 * number, colour, False)
        picture.text(WIDTH - RIGHT + 32, TOP + 20 * number + 4, name)
    picture.save(path)


def bars(path, title, unit, rows, logarithmic=False):
    """rows: [(name, median, low, high, shown)], one below the other."""
    height = TOP + 26 * len(rows) + 20
    picture = Picture(title, unit, height)
    left, room = 250, WIDTH - 250 - 110
    top = max(high for _, _, _, high, _ in rows)
    floor = min(value for _, value, *_ in rows) / 3

    def width(value):
        if logarithmic:
            return room * math.log(max(value, floor) / floor) / math.log(top / floor)
        return room * value / top

    for number, (name, value, low, high, shown) in enumerate(rows):
        y = TOP + 26 * number
        picture.text(left - 8, y + 14, name, anchor="end")
        picture.bar(left, y, width(value), 18, COLOURS[0])
        picture.line(left + width(low), y + 9, left + width(high), y + 9, "#222")
        picture.text(left + max(width(value), width(high)) + 6, y + 14, shown)
    picture.save(path)


def throughput(result, folder):
    samples = [one for one in result["samples"] if one["direction"] == "up"]
    for (family,), of_it in group(samples, "family").items():
        columns = sorted({one["flows"] for one in of_it})
        series = {}
        for (case, flows), at in group(of_it, "case", "flows").items():
            values = [one["mpps"] for one in at]
            hollow = sum(one["unsaturated"] for one in at) * 2 > len(at)
            series.setdefault(case, []).append((columns.index(flows), median(values), *quartiles(values), hollow))
        lines(
            folder / f"throughput-ipv{family}.svg",
            f"Throughput of one core by number of flows, IPv{family} UDP",
            "million packets a second of processor time; hollow: the generator could not keep the core busy",
            series,
            [f"{flows:,} flows" for flows in columns],
        )


def newflows(result, folder):
    rows = []
    for (family, case), samples in group(result["samples"], "family", "case").items():
        values = [one["mfps"] * 1e3 for one in samples]
        rows.append((f"IPv{family} {case}", median(values), *quartiles(values), f"{median(values):.0f}"))
    bars(folder / "newflows.svg", "New flows a second, one core", "thousands", rows)


def failover(result, folder):
    rows = []
    for (way, flows), samples in group(result["samples"], "way", "flows").items():
        values = [one["first_ns"] / 1e3 for one in samples]
        rows.append((f"{way}, {flows:,} flows", median(values), *quartiles(values), f"{median(values):,.0f}"))
    title = "From the decision to the first packet by the other WAN"
    bars(folder / "failover.svg", title, "microseconds, logarithmic", rows, logarithmic=True)


def draw(results, folder):
    for name, how in (("throughput", throughput), ("newflows", newflows), ("failover", failover)):
        if results.get(name, {}).get("samples"):
            how(results[name], folder)
