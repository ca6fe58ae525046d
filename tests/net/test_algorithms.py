# SPDX-License-Identifier: GPL-2.0
"""
Which WAN of a tier: the next one where the first is busy (overflow), the one with the most room (least-used), the
nearest one (lowest-latency); each with traffic and delays of its own, and `class list` says why.
"""

import contextlib
import threading
import time

import pytest

from inside import open_socket
from lab import FAMILIES, V4, wait_for
from steering import wait_up
from ways import udp

LAB = {"wans": 3}

NAMES = {1: "fiber", 2: "lte", 3: "cable"}
ON = {1: 9001, 2: 9002, 3: 9003}  # classes that fill one WAN each
MBIT = 1e6 / 8
SIZE = 1000  # of IP
LOADED_S = 10  # traffic is judged once a second


def start(lab, judged, bandwidth=""):
    filling = "".join(
        f"  on-{NAMES[n]}: {{match: [{{dport: {port}}}], prefer: [{NAMES[n]}]}}\n" for n, port in ON.items()
    )
    daemon = lab.start_daemon(f"""
lan: [lan0]
firewall: bypass
wans:
  fiber: {{device: wan1, {bandwidth}}}
  lte: {{device: wan2, {bandwidth and "bandwidth: {up: 40mbit, down: 40mbit}"}}}
  cable: {{device: wan3}}
probes:
  default:
    targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]
    interval: 100ms
classes:
{filling}  default: {judged}
""")
    wait_up(daemon)
    return daemon


class Load:
    """A stream of so many bytes of IP a second by one WAN; `rate` may be changed while it runs."""

    def __init__(self, lab, number, rate, down=False):
        self.rate = rate
        self.sockets = contextlib.ExitStack()
        theirs = self.sockets.enter_context(open_socket(lab, "inet", bind=(V4.server_at(9), ON[number])))
        ours = self.sockets.enter_context(open_socket(lab, "client", bind=("0.0.0.0", 0)))
        ours.connect((V4.server_at(9), ON[number]))
        ours.send(b"hello")
        _, source = theirs.recvfrom(100)
        assert source[0] == V4.wan(number)
        theirs.connect(source)
        self.sender = theirs if down else ours  # nobody reads at the other end
        self.ending = False
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        debt, last = 0, time.monotonic()
        while not self.ending:
            time.sleep(0.005)
            now = time.monotonic()
            debt, last = debt + (now - last) * self.rate, now
            while debt >= SIZE:
                self.sender.send(bytes(SIZE - 28))
                debt -= SIZE

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join()
        self.sockets.close()


def listed(daemon):
    """WAN → its row of `default` in `class list`"""
    classes = {row["name"]: row for row in daemon.json("class", "list")["classes"]}
    return {wan["name"]: wan for wan in classes["default"]["wans"]}


def wait_taken(daemon, *names):
    """Until just these take new flows."""
    wait_for(
        lambda: {name for name, wan in listed(daemon).items() if wan["fresh"]} == set(names),
        LOADED_S,
        f"new flows by {' and '.join(names)} only",
        0.1,
    )


def wans_of_new(lab, destinations=6):
    """Of new flows to several hosts, in both families."""
    sources = {(ip, udp(lab, ip, to=ip.server_at(3 + n))) for ip in FAMILIES for n in range(destinations)}
    return {next(n for n in NAMES if source == ip.wan(n)) for ip, source in sources}


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_overflow(lab, down):
    """Beyond 80 % of its bandwidth, and until below 70 %, in the fuller direction."""
    daemon = start(lab, "{prefer: [fiber, lte], algorithm: overflow}", "bandwidth: {up: 10mbit, down: 10mbit}")
    with contextlib.closing(open_socket(lab, "inet", bind=(V4.server_at(8), 7000))) as theirs:
        ours = open_socket(lab, "client", bind=("0.0.0.0", 7000))

        def old():
            ours.sendto(b"?", (V4.server_at(8), 7000))
            return theirs.recvfrom(10)[1][0]

        with contextlib.closing(ours), Load(lab, 1, 6 * MBIT, down) as load:
            assert old() == V4.wan(1)
            time.sleep(2.5)
            assert wans_of_new(lab) == {1}
            load.rate = 9.5 * MBIT
            wait_taken(daemon, "lte", "cable")
            assert wans_of_new(lab) == {2}
            assert old() == V4.wan(1)  # who is there stays
            assert listed(daemon)["fiber"]["keep"]
            why = listed(daemon)["fiber"]["why"]
            assert why.startswith("busy, and others are left: ") and why.endswith(" % of its bandwidth")
            load.rate = 7.5 * MBIT
            time.sleep(2.5)
            assert wans_of_new(lab) == {2}
            load.rate = 4 * MBIT
            wait_taken(daemon, "fiber", "lte", "cable")
            assert wans_of_new(lab) == {1}


def test_overflow_with_nothing_else(lab):
    """What is busy is better than nothing."""
    daemon = start(lab, "{prefer: [fiber], only: true, algorithm: overflow}", "bandwidth: {up: 10mbit, down: 10mbit}")
    with Load(lab, 1, 9.5 * MBIT):
        wait_for(lambda: (daemon.wan("fiber")["tx_bps"] or 0) > 8.5e6, LOADED_S, "the line to be busy")
        time.sleep(0.5)
        assert wans_of_new(lab) == {1}


def test_least_used(lab):
    """By shares of the bandwidth, within a tier: the line that is four times as wide has room with more on it."""
    daemon = start(
        lab, "{prefer: [{fiber: 1, lte: 1}, cable], algorithm: least-used}", "bandwidth: {up: 10mbit, down: 10mbit}"
    )
    with Load(lab, 1, 5 * MBIT):  # 50 %
        wait_taken(daemon, "lte", "cable")
        assert wans_of_new(lab) == {2}
        assert listed(daemon)["fiber"]["why"] == "another of its tier is better now"
        with Load(lab, 2, 10 * MBIT):  # 25 %
            time.sleep(2.5)
            assert wans_of_new(lab) == {2}
        with Load(lab, 2, 30 * MBIT):  # 75 %
            wait_taken(daemon, "fiber", "cable")
            assert wans_of_new(lab) == {1}
            assert listed(daemon)["lte"]["why"] == "another of its tier is better now"
            # The other tier is not asked as long as this one has any.
            assert listed(daemon)["cable"]["fresh"]


def test_lowest_latency(lab):
    """The nearest one, if it is nearer by a fifth and by 2 ms."""
    daemon = start(lab, "{prefer: [{fiber: 1, lte: 1, cable: 1}], algorithm: lowest-latency}")
    lab.break_wan(1, "delay", 30)
    lab.break_wan(2, "delay", 15)
    wait_taken(daemon, "cable")
    assert wans_of_new(lab) == {3}
    lab.break_wan(3, "delay", 50)
    wait_taken(daemon, "lte")
    assert wans_of_new(lab) == {2}
    assert {listed(daemon)[name]["why"] for name in ("fiber", "cable")} == {"another of its tier is better now"}
    lab.break_wan(2, "delay", 33)  # fiber's 60 ms are not much better
    wait_for(lambda: daemon.wan("lte")["rtt_ms"] > 63, LOADED_S, "the round trip to be longer")
    assert wans_of_new(lab) == {2}
    lab.break_wan(2, "blackhole")
    daemon.wait_states(lte="down")
    assert wans_of_new(lab) == {1}
