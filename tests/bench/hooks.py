# SPDX-License-Identifier: GPL-2.0
"""hooks.py: nanoseconds a packet by hook, and the programs' sizes: runs hooks.c, which says how it measures."""

import json
import os
import subprocess

import bed as beds


def lines(text, kind):
    return [json.loads(line.split(" ", 1)[1]) for line in text.split("\n") if line.startswith(kind + " ")]


def run(xdp):
    environment = os.environ | ({"WANHELM_TEST_XDP": "1"} if xdp else {})
    command = ["taskset", "-c", str(beds.ROUTER_CPU), beds.net.BUILD / "tests/bench/hooks"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


def measure(settings):
    settings.say("hooks, by BPF_PROG_TEST_RUN")
    xdp = True
    done = run(xdp)
    if done.returncode and not lines(done.stdout, "HOOK"):
        xdp = False  # a kernel that has no such programs
        done = run(xdp)
    if done.returncode:
        raise beds.BenchError(f"hooks ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    samples = [one | {"net_ns": one["ns"] - one["empty_ns"]} for one in lines(done.stdout, "HOOK")]
    return {
        "samples": samples,
        "programs": lines(done.stdout, "PROGRAM"),
        "not_measured": [] if xdp else ["hooks of the XDP programs"],
    }
