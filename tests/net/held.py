# SPDX-License-Identifier: GPL-2.0
"""held.py: what the kernel holds for a controller: programs, maps and links, and what stands in a map."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys


def bpftool(*args):
    """Its JSON; bpftool says errors there too."""
    done = subprocess.run(["bpftool", "-j", *map(str, args)], check=False, capture_output=True, text=True)
    return json.loads(done.stdout or "{}")


def lookup(*of_map, key=0):
    """The bytes of an element: lookup("pinned", path), lookup("id", 7, key=64)"""
    found = bpftool("map", "lookup", *of_map, "key", *key.to_bytes(4, sys.byteorder))
    return bytes(int(byte, 16) for byte in found["value"])


def exists(kind, number):
    return "error" not in bpftool(kind, "show", "id", number)


def opened(pid):
    """{("prog", id), ("map", id), …}"""
    held = set()
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found = re.findall(r"^(prog|map|link)_id:\s*(\d+)$", path.read_text(), re.MULTILINE)
            held.update((kind, int(number)) for kind, number in found)
    return held


def pinned(folder):
    """The same of what is pinned in a folder."""
    links = {path: "link" for path in (folder / "links").glob("*")}
    maps = {path: "map" for path in folder.glob("wh_*")}
    return {(kind, bpftool(kind, "show", "pinned", path)["id"]) for path, kind in (links | maps).items()}


def of_controller(daemon):
    return opened(daemon.process.pid) | pinned(daemon.bpf_dir)
