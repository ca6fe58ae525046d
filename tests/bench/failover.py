# SPDX-License-Identifier: GPL-2.0
"""
failover.py: from the decision that a WAN is dead to the first packet of a running flow that leaves by the other one
with that one's address, with few flows and with many in the tables. Ten UDP flows that are on the WAN send in turn, one
packet each 25 us; packets are stamped when they arrive behind the router.

wanhelm: the decision is the store to the word `alive` of the map wh_steer, which is how its controller decides.
Rules: what scripts do: `ip rule` sends the mark to the other WAN's table, and `conntrack -D` removes just that WAN's
entries, for else its flows would keep the dead WAN's address. Measured from the start of the first command, until the
first such packet, and until the last command has ended.
"""

import time

import bed as beds
import cases
import throughput

PERIOD_NS = 25_000
FEW = 10
FLIPS = 20
FIRST_WAN, OTHER_WAN = 1, 2


def fill(bed, flows):
    """So many flows on both WANs, the stream's among them."""
    bed.traffic.order("shape", 4, throughput.ENDPOINTS)
    missing = bed.traffic.order("lap", 0, flows)["missing"]
    if missing > flows // 1000:
        raise beds.BenchError(f"{missing} of {flows} flows never came out")


def flips(bed, case, flows):
    """ns of each of some flips."""
    with case.on(bed):
        fill(bed, flows)
        bed.traffic.order("stream", PERIOD_NS)
        took = bed.traffic.order("flip", bed.daemon.bpf_dir / "wh_steer", FLIPS)["ns"]
        bed.traffic.order("stream", 0)
    if min(took) < 0:
        raise beds.BenchError(f"{case.name}: no packet came out by the other WAN after a flip")
    return took


def change_rules(bed):
    """The commands of a script when the first WAN has died."""
    table = 100 + OTHER_WAN
    bed.run("router", *f"ip rule add fwmark {FIRST_WAN} lookup {table} pref 900".split())
    # 1: there was none to delete
    done = bed.run("router", *f"conntrack -D -f ipv4 --mark {FIRST_WAN}".split(), check=False, timeout_s=600)
    if done.returncode not in (0, 1):
        raise beds.BenchError(f"conntrack -D: {done.stderr.strip()}")


def first_out(bed):
    def seen():
        return bed.traffic.order("first", OTHER_WAN - 1)["first_ns"]

    return beds.net.wait_for(seen, 30, "a flow to leave by the other WAN", 0.005)


def rule_change(bed, flows):
    with cases.MASQUERADE.on(bed):
        fill(bed, flows)
        entries = int(bed.run("router", "conntrack", "-C").stdout)
        bed.traffic.order("stream", PERIOD_NS)
        bed.traffic.order("watch", OTHER_WAN - 1)
        began_ns = time.monotonic_ns()
        change_rules(bed)
        ended_ns = time.monotonic_ns()
        first_ns = first_out(bed)
        bed.traffic.order("stream", 0)
        bed.run("router", *"ip rule del pref 900".split())
    return {"first_ns": first_ns - began_ns, "done_ns": ended_ns - began_ns, "entries": entries}


def round_of(bed, chosen, many):
    for case in chosen:
        for flows in (FEW, many):
            for ns in flips(bed, case, flows):
                yield {"way": case.name, "flows": flows, "first_ns": ns}
    for flows in (FEW, many):
        yield {"way": "rules", "flows": flows} | rule_change(bed, flows)


def measure(settings):
    many = 100_000 if settings.quick else 1_000_000
    samples = []
    with beds.Bed(2) as bed:
        bed.sink_poll_ns = 0
        wanted = (cases.WANHELM_TC, cases.WANHELM_XDP)
        chosen = [case for case in wanted if cases.is_built(bed, case)]
        for number in range(settings.few_rounds):
            settings.say(f"failover, round {number + 1} of {settings.few_rounds}")
            samples += [one | {"round": number} for one in round_of(bed, chosen, many)]
    return {
        "samples": samples,
        "many": many,
        "not_measured": [f"failover of {case.name}" for case in wanted if case not in chosen],
    }
