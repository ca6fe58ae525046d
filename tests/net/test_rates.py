# SPDX-License-Identifier: GPL-2.0
"""
What a class may send and receive by a WAN (`rate`, `degraded`), as the receivers count it: bytes of IP, headers
included. Ten seconds of flows that yield (TCP) and flows that do not (UDP), both ways; what passes at once after a
rest; and that a degraded rate comes and goes with a failover.
"""

import contextlib
import json
import os
import subprocess
import time

import pytest

from inside import open_socket
from lab import FAMILIES, V4, wait_for
from steering import drops, figure, wait_up

MBIT = 1e6 / 8  # bytes a second
FLOWS, SECONDS, ROUNDS = 4, 10, 3
RATE, DEGRADED = 20 * MBIT, 5 * MBIT
WITHIN = 0.05
RTT_MS = 20
# What may pass at once after a rest: a tenth of a second, the largest packet of segmentation offload at least.
BURST = max(0.1 * RATE, 65536)
DEGRADED_BURST = max(0.1 * DEGRADED, 65536)

# A class for each, so that none eats another's: name → protocol, port, whether the client receives.
STREAMS = {
    "tcp-up": ("tcp", 5201, False),
    "tcp-down": ("tcp", 5202, True),
    "udp-up": ("udp", 5203, False),
    "udp-down": ("udp", 5204, True),
}
BLAST_PORT = 5203
PAYLOAD = 1200


def start(lab, limit):
    classes = "".join(
        f"  {name}: {{match: [{{proto: {proto}, dport: {port}}}], prefer: [fiber, lte], {limit}}}\n"
        for name, (proto, port, _) in STREAMS.items()
    )
    daemon = lab.start_daemon(f"""
lan: [lan0]
firewall: bypass
wans:
  fiber: {{device: wan1}}
  lte: {{device: wan2}}
probes:
  default: {{targets: ["icmp:203.0.113.1", "icmp:203.0.113.2", "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]}}
failback: {{hold: 500ms}}
classes:
{classes}""")
    wait_up(daemon)
    count(lab)
    return daemon


# --- what arrives ---------------------------------------------------------------------------------------------------


def count(lab):
    """A counter of each stream where it arrives."""
    for part, field in (("inet", "dport"), ("client", "sport")):
        here = [name for name, (_, _, down) in STREAMS.items() if down == (part == "client")]
        counters = " ".join(f"counter {name} {{}};" for name in here)
        rules = "; ".join(f"{STREAMS[name][0]} {field} {STREAMS[name][1]} counter name {name}" for name in here)
        lab.nft(part, f"""
            table inet arrived
            delete table inet arrived
            table inet arrived {{
                {counters}
                chain arrived {{ type filter hook prerouting priority raw; {rules}; }}
            }}""")


def arrived(lab, name):
    """(bytes of IP so far, when that was)"""
    part = "client" if STREAMS[name][2] else "inet"
    told = json.loads(lab.run(part, "nft", "-j", "list", "counter", "inet", "arrived", name).stdout)["nftables"]
    return next(row["counter"]["bytes"] for row in told if "counter" in row), time.monotonic()


# --- streams --------------------------------------------------------------------------------------------------------


def iperf(lab, part, *args):
    return subprocess.Popen(lab.command(part, "iperf3", *args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def listens(lab, port):
    return f":{port} " in lab.run("inet", "ss", "-ltn").stdout


@contextlib.contextmanager
def streams(lab):
    """All of them, UDP at twice the rate, for longer than anybody looks."""
    running = []
    try:
        for _, port, _ in STREAMS.values():
            running.append(iperf(lab, "inet", "-s", "-1", "-B", V4.server, "-p", port))
        for proto, port, down in STREAMS.values():
            wait_for(lambda port=port: listens(lab, port), 5, "iperf3 to listen")
            how = ["-u", "-b", int(2 * RATE * 8 / FLOWS), "-l", PAYLOAD] if proto == "udp" else []
            way = ["-R"] if down else []
            running.append(iperf(lab, "client", "-c", V4.server, "-p", port, "-P", FLOWS, "-t", 120, *how, *way))
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def blast(lab, ip, datagrams, rate=None):
    """Datagrams from fresh ports, at a rate or at once: bytes of IP that were sent and that arrived, and the time."""
    size = PAYLOAD + (28 if ip.version == 4 else 48)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(open_socket(lab, "inet", bind=(ip.server, BLAST_PORT)))  # nobody reads
        ours = [stack.enter_context(open_socket(lab, "client", family=ip.af)) for _ in range(FLOWS)]
        for sock in ours:
            sock.connect(sink.getsockname()[:2])
        before, _ = arrived(lab, "udp-up")
        began = time.monotonic()
        for number in range(datagrams):
            if rate:
                time.sleep(max(0, began + number * size / rate - time.monotonic()))
            ours[number % FLOWS].send(os.urandom(PAYLOAD))
        took_s = time.monotonic() - began
        time.sleep(0.1)
        return datagrams * size, arrived(lab, "udp-up")[0] - before, took_s


# --- tests ----------------------------------------------------------------------------------------------------------


def ten_seconds(lab):
    """Stream → the share of its rate that arrived."""
    before = {name: arrived(lab, name) for name in STREAMS}
    time.sleep(SECONDS)
    after = {name: arrived(lab, name) for name in STREAMS}
    shares = {name: (after[name][0] - before[name][0]) / (after[name][1] - before[name][1]) / RATE for name in STREAMS}
    figure(
        f"share of a rate of 20 mbit over {SECONDS} s, {FLOWS} flows each, round trip {RTT_MS} ms, burst {BURST:.0f} B",
        **{name: f"{share:.3f}" for name, share in shares.items()},
    )
    return shares


def test_rates_hold(lab):
    """Ten seconds, four flows each. A machine that is busy makes TCP slow, not fast: it is asked again."""
    daemon = start(lab, "rate: 20mbit")
    lab.break_wan(1, "delay", RTT_MS, "--dir", "up")
    with streams(lab):
        for name in STREAMS:
            wait_for(lambda name=name: arrived(lab, name)[0] > BURST + RATE / 2, 10, f"{name} to run")
        for _ in range(ROUNDS):
            shares = ten_seconds(lab)
            assert max(shares.values()) <= 1 + WITHIN
            if min(shares.values()) >= 1 - WITHIN:
                break
    assert min(shares.values()) >= 1 - WITHIN
    assert daemon.wan("fiber")["state"] in ("up", "suspect")
    assert drops(daemon)["rate"] > 0


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_burst(lab, ip):
    """After a rest, at once: the burst, and at most what becomes due while it is sent."""
    start(lab, "rate: 20mbit")
    sent, passed, took_s = blast(lab, ip, 500)
    due = BURST + took_s * RATE
    figure(f"burst after a rest, {ip}", sent=sent, passed=passed, due=f"{due:.0f}", stated=f"{BURST:.0f}")
    assert sent > due, "nothing would have been held back"
    assert (1 - WITHIN) * BURST <= passed <= (1 + WITHIN) * due


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_degraded(lab, ip):
    """All passes on the WAN that is preferred; the rate holds on another, and is gone when the first is back."""
    daemon = start(lab, "degraded: {rate: 5mbit}")

    def offer():
        return blast(lab, ip, 4000, 4 * DEGRADED)

    def limited():
        sent, passed, took_s = offer()
        due = took_s * DEGRADED
        figure(f"degraded to 5 mbit, {ip}", sent=sent, passed=passed, due=f"{due:.0f}", burst=f"{DEGRADED_BURST:.0f}")
        return (1 - WITHIN) * due <= passed <= (1 + WITHIN) * due + DEGRADED_BURST < sent

    sent, passed, _ = offer()
    assert passed == sent
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    assert limited()
    lab.heal(1)
    daemon.wait_states(fiber="up")
    sent, passed, _ = offer()
    assert passed == sent
