# SPDX-License-Identifier: GPL-2.0
"""
controller.py: what wanhelmd costs beside packets, with few flows and with a million, none of them in use, probing each
target five times a second: processor time (with that of its prober), resident memory, how long one walk through all
flows takes, and what the kernel's tables take for each flow.

A walk: the figures of `wanhelm status` change when one has ended. Flows that are added right then are told when the
next one has: the time between is one walk, of which the controller works only for a small part.
"""

import dataclasses
import json
import pathlib
import time

import bed as beds
import cases
import throughput

CASE = dataclasses.replace(cases.WANHELM_TC, interval="200ms", firewall="bypass")
FEW = 10
MORE = 10
TABLES = ("flows", "replies", "binds", "ports")


def family_of(pid):
    """The process and its children, at any depth."""
    pids = [pid]
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii").rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            pids += family_of(int(path.parent.name))
    return pids


def cpu_ns(pids):
    return sum(
        int(path.read_text(encoding="ascii").split()[0])
        for pid in pids
        for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def idle_cost(bed, seconds):
    """Percent of a processor, and kB."""
    pids = family_of(bed.daemon.process.pid)
    before, began = cpu_ns(pids), time.monotonic()
    time.sleep(seconds)
    used = (cpu_ns(pids) - before) / 1e9 / (time.monotonic() - began)
    return {"cpu_percent": used * 100, "rss_kb": rss_kb(bed.daemon.process.pid), "processes": len(pids)}


def told_flows(bed):
    """As the last walk counted them."""
    return sum(wan["flows"] for wan in bed.daemon.status()["wans"])


def wait_told(bed, flows):
    beds.net.wait_for(lambda: told_flows(bed) >= flows, 180, f"{flows} flows to be told", 0.1)
    return time.monotonic()


def walk(bed, flows):
    """Seconds of one walk, and of processor time of the controller meanwhile."""
    pids = family_of(bed.daemon.process.pid)
    began = wait_told(bed, flows)
    before = cpu_ns(pids)
    bed.traffic.order("lap", flows, flows + MORE)
    return {"walk_s": wait_told(bed, flows + MORE) - began, "walk_cpu_s": (cpu_ns(pids) - before) / 1e9}


def memory(bed):
    """Bytes of the kernel's by table, and by flow that there is room for."""
    tables = {}
    for family in (4, 6):
        for name in TABLES:
            pin = bed.daemon.bpf_dir / f"wh_{name}{family}"
            told = json.loads(bed.run("router", "bpftool", "-j", "map", "show", "pinned", pin).stdout)
            tables[f"wh_{name}{family}"] = {"entries": told["max_entries"], "bytes": int(told["bytes_memlock"])}
    per_flow = {
        family: sum(tables[f"wh_{name}{family}"]["bytes"] for name in TABLES) / cases.LIMIT for family in (4, 6)
    }
    return {"tables": tables, "bytes_per_flow": per_flow, "limit": cases.LIMIT}


def at(bed, flows, seconds):
    bed.traffic.order("shape", 4, throughput.ENDPOINTS)
    missing = bed.traffic.order("lap", 0, flows)["missing"]
    if missing:
        raise beds.BenchError(f"{missing} of {flows} flows never came out")
    found = walk(bed, flows)
    began = time.monotonic()
    counted = bed.daemon.json("flows", "--count")["flows"]
    took_s = time.monotonic() - began
    return idle_cost(bed, seconds) | found | {"flows": counted, "count_command_s": took_s}


def measure(settings):
    many, seconds = (100_000, 3) if settings.quick else (1_000_000, 30)
    with beds.Bed(2) as bed:
        with CASE.on(bed):
            settings.say("controller, few flows")
            few = at(bed, FEW, seconds)
            settings.say("controller, many flows")
            lots = at(bed, many, seconds)
            return {"samples": [few, lots], "memory": memory(bed), "not_measured": []}
