# SPDX-License-Identifier: GPL-2.0
"""docs/rfc.md tells the truth: each row names tests that exist, or a reason, and each test named so stands in a row."""

import pathlib
import re

import pytest

from lab import ROOT

TESTS = ROOT / "tests"
ROW = re.compile(r"^\| (\d{4}[^|]*?) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:net|bpf|unit)/\w+\.(?:py|c))::(\w+)`")
ROWS = dict((row, shown) for row, _, shown in ROW.findall((ROOT / "docs/rfc.md").read_text()))
NEEDED = [f"4787 REQ-{n}" for n in (1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 14)] + [
    *(f"5382 REQ-{n}" for n in (2, 4, 5, 7, 8, 9, 10)),
    *(f"5508 REQ-{n}" for n in (2, 3, 4, 5, 6, 10)),
    "7857 §2", "7857 §5–7", "7857 §9, 6056", "6864 §5.3", "6888 REQ-8", "6888 REQ-11", "1812 §5.2.2",
    "1812 §5.3.1", "1812 §4.3.2", "1812 §5.3.7", "4443 §2.4(f)", "4443 §3.2", "1191, 8201", "6296", "2439, 7196",
    "3550 A.8", "9000 §9",
]


def functions(path):
    """Tests of a file, by name."""
    pattern = r"^def (\w+)\(" if path.suffix == ".py" else r"^static void (\w+)\(void \*\*"
    return set(re.findall(pattern, path.read_text(), re.MULTILINE)) if path.exists() else set()


@pytest.mark.parametrize("row", NEEDED)
def test_row_is_shown_or_waived(row):
    shown = ROWS[row]
    assert NAMED.search(shown) or re.search("waived: .{20}", shown), shown
    for path, name in NAMED.findall(shown):
        assert name in functions(TESTS / path), f"{path} has no {name}"


def test_tests_of_rows_are_listed():
    listed = {(pathlib.Path(path).name, name) for shown in ROWS.values() for path, name in NAMED.findall(shown)}
    named = re.compile(r"test_(\d{4})_")
    here = {(path.name, name) for path in TESTS.glob("net/test_*.py") for name in functions(path) if named.match(name)}
    assert here - listed == set()
