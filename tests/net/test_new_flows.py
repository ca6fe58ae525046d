# SPDX-License-Identifier: GPL-2.0
"""
What a flow's first packet costs, on the way through the router: with one match line and with the most there can be,
and through the kernel's own masquerade. Measured in turns in one lab: the same flows, all of them new, sent as fast
as one sender can; the router's work is done in its time.
"""

import statistics
import tempfile

import pytest

import native
from inside import mac
from lab import wait_for
from steering import LONG, figure, rounds, wait_up
from test_scale import SINK
from wire import V4

LAB = {"wans": 2, "options": ["--masquerade"]}
ENDPOINTS, DESTINATIONS = 10000, 10
FLOWS = ENDPOINTS * DESTINATIONS
LINES = 1024
# A few turns on a busy machine say little.
MOST_LINES = 1.2 if LONG else 1.6
MOST_KERNEL = 1.5 if LONG else 2.0


def config(lines):
    """None of them fits what is sent: each has to be looked at, if any has."""
    matches = ", ".join(f"{{proto: udp, from: 10.{i // 250}.{i % 250}.0/24, dport: {1000 + i}}}" for i in range(lines))
    return f"""
lan: [lan0]
firewall: bypass
wans:
  fiber: {{device: wan1}}
  lte: {{device: wan2}}
probes:
  default: {{targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]}}
limits: {{flows-per-client: {2 * FLOWS}}}
classes:
  other: {{match: [{matches}], prefer: [lte]}}
  default: {{prefer: [fiber]}}
"""


@pytest.fixture
def fill(lab):
    """Send them; microseconds a flow."""
    path = lab.folder / "sink"
    path.write_text(SINK)
    lab.run("inet", "nft", "-f", path)
    with tempfile.TemporaryDirectory() as folder:
        program = native.build("scale.c", folder, "-lpthread")
        router = mac(lab, "router", "lan0")

        def fill_once():
            where = f"/run/netns/{lab.name}-client", "lan", router, 4, "udp", 20000, ENDPOINTS, DESTINATIONS
            done = lab.run("client", "bash", "-c", 'TIMEFORMAT=%R; time "$@"', "bash", program, "fill", *where, timeout_s=120)
            return float(done.stderr.split()[-1]) * 1e6 / FLOWS

        yield fill_once


def through_kernel(lab, fill):
    lab.run("router", "conntrack", "-F")
    took = fill()
    tracked = int(lab.run("router", "conntrack", "-C").stdout)
    assert tracked >= FLOWS * 0.99, "they did not get through"
    return took


def through_us(lab, fill, lines):
    daemon = lab.start_daemon(config(lines))
    wait_up(daemon)
    took = fill()
    wait_for(lambda: daemon.json("flows", "--count")["flows"] >= FLOWS * 0.99, 5, "all flows to be there")
    daemon.stop()
    return took


def test_first_packets(lab, fill):
    ways = {
        "kernel": lambda: through_kernel(lab, fill),
        "one line": lambda: through_us(lab, fill, 1),
        "all lines": lambda: through_us(lab, fill, LINES),
    }
    lab.run("client", "ping", "-c", 1, V4.server)  # whoever has to be found, has been
    took = {name: [] for name in ways}
    for _ in range(rounds(3, 9)):
        for name, way in ways.items():
            took[name].append(way())
    medians = {name: statistics.median(times) for name, times in took.items()}
    # Of what followed each other: whatever else the machine did meanwhile, it did to both.
    to_one, to_kernel = (
        statistics.median(ours / other for ours, other in zip(took["all lines"], took[name]))
        for name in ("one line", "kernel")
    )
    figure(
        f"a new flow's first packet, {FLOWS} flows, {len(took['kernel'])} turns, us",
        **{name.replace(" ", "_"): f"{median:.2f}" for name, median in medians.items()},
        all_to_one=f"{to_one:.3f}",
        all_to_kernel=f"{to_kernel:.3f}",
    )
    assert to_one <= MOST_LINES
    assert to_kernel <= MOST_KERNEL
