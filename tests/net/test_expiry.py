# SPDX-License-Identifier: GPL-2.0
"""
What is idle ends, in slices that nobody notices: a full table at once, under traffic, with the idle times scaled
down. What is in use stays, also when its next packet comes at the very moment at which it would have ended. How long
is idle is test_rfc_timers.py's.
"""

import contextlib
import random
import select
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time

import pytest

import native
from inside import mac, open_socket
from lab import wait_for
from steering import LONG, drops, figure, table
from wire import FIREWALL, settings, start

LAB = {"wans": 2}
UDP_S, PORT_S = 300, 120
ENDPOINTS = 8000  # a WAN has 12,000 ports
FLOWS = 1_000_000 if LONG else 200_000
LIMIT = FLOWS + 10_000
SCALE = 60
MAX_RSS_KB = 20_000
LIVE, LIVE_PORT = 200, 9102  # flows that are in use meanwhile

# What is sent to fill the tables needs no answer.
SINK = """
table inet sink {
	chain sink {
		type filter hook prerouting priority raw;
		udp dport 40000-40999 drop;
	}
}
"""


@pytest.fixture(scope="module")
def program():
    with tempfile.TemporaryDirectory() as folder:
        yield native.build("scale.c", folder, "-lpthread")


def begin(lab, scale):
    """Bypass: without the kernel's conntrack, which has idle times of its own."""
    limits = f"limits: {{flows: {LIMIT}, flows-per-client: {LIMIT}}}"
    return start(lab, settings(more=limits).replace(f"firewall: {FIREWALL}", "firewall: bypass"), scale=scale)


def count(daemon):
    return daemon.json("flows", "--count")["flows"]


class Live(threading.Thread):
    """Flows whose next datagrams come after silences of least_s to most_s; the server notes what comes from where."""

    def __init__(self, lab, family, flows, least_s, most_s):
        super().__init__()
        self.silence_s = least_s, most_s
        self.server = open_socket(lab, "inet", bind=(family.server, LIVE_PORT))
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socks = [open_socket(lab, "client", family=family.af) for _ in range(flows)]
        for sock in self.socks:
            sock.connect(self.server.getsockname()[:2])
        self.silences = [[] for _ in range(flows)]  # before each datagram but the first
        self.came = [{} for _ in range(flows)]  # datagram's number → its source
        self.ending = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.join()
        for sock in (self.server, *self.socks):
            sock.close()

    def run(self):
        draw = random.Random(1)
        last = [None] * len(self.socks)
        due = [time.monotonic() + draw.uniform(0, self.silence_s[0]) for _ in self.socks]
        while not self.ending:
            for flow in [flow for flow, at in enumerate(due) if at <= time.monotonic()]:
                now = time.monotonic()
                if last[flow]:
                    self.silences[flow].append(now - last[flow])
                self.socks[flow].send(struct.pack("II", flow, len(self.silences[flow])))
                last[flow] = time.monotonic()
                due[flow] = now + draw.uniform(*self.silence_s)
            self.hear(0.002)
        self.hear(0.3)

    def hear(self, wait_s):
        while select.select([self.server], [], [], wait_s)[0]:
            data, source = self.server.recvfrom(100)
            flow, number = struct.unpack("II", data)
            self.came[flow][number] = source[:2]
            wait_s = 0

    def told(self):
        """(silence in s since the last that came, whether the datagram after it came, and from the same source)"""
        for silences, came in zip(self.silences, self.came):
            source, silence = came[0], 0
            for number, more in enumerate(silences, 1):
                silence, seen = silence + more, came.get(number)
                yield silence, seen is not None, seen in (None, source)
                if seen:
                    source, silence = seen, 0


def test_refreshed_at_the_last_moment(lab, family):
    """
    Silences within the idle time: nothing is lost and the external port stays. Beyond it the flow may end a lap or two
    of the collection later (a second each), and a datagram may be lost only where the data plane says so.
    """
    scale, idle_s = 1000, UDP_S / 1000
    daemon = begin(lab, scale)
    with Live(lab, family, 800, 0.5 * idle_s, 4) as live:
        before = drops(daemon)["race"]
        time.sleep(40 if LONG else 12)
    told = list(live.told())
    within = [(came, same) for silence, came, same in told if silence < 0.9 * idle_s]
    beyond = [(came, same) for silence, came, same in told if silence >= 0.9 * idle_s]
    lost, raced = sum(not came for came, _ in beyond), drops(daemon)["race"] - before
    figure(
        f"flows refreshed around their idle time, {family}",
        within=len(within),
        beyond=len(beyond),
        new_port=sum(not same for _, same in beyond),
        lost=lost,
        raced=raced,
    )
    assert len(within) > 100
    assert any(not same for _, same in beyond), "nothing ever ended: this shows nothing"
    assert all(came and same for came, same in within)
    assert lost <= raced


@contextlib.contextmanager
def heartbeats(program, daemon):
    """A list of the heartbeat's ages in ms, each millisecond of what happens inside; filled at the end."""
    ages = []
    command = [program, "beat", daemon.bpf_dir / "wh_steer", "600000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=lambda: ages.extend(int(line) / 1e6 for line in process.stdout))
        reader.start()
        yield ages
        process.terminate()
        reader.join()


def fill(lab, program, family):
    """So many flows that nobody answers, of as many endpoints as a WAN has ports for. Returns how long it took."""
    began = time.monotonic()
    where = f"/run/netns/{lab.name}-client", "lan", mac(lab, "router", "lan0")
    what = family.version, "udp", 20000, ENDPOINTS, FLOWS // ENDPOINTS
    subprocess.run([program, "fill", *map(str, where + what)], check=True, timeout=300)
    return time.monotonic() - began


def rss_kb(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def test_a_full_table_ends(lab, family, program):
    """
    And nobody notices: neither flows in use, nor the controller's loop, nor its probes. The table is filled under the
    idle times of the book, and then a controller comes that has it all end at once.
    """
    lab.nft("inet", SINK)
    daemon, most_s = begin(lab, 1), 0.8 * UDP_S / SCALE
    with Live(lab, family, LIVE, most_s / 10, most_s) as live:
        filled_s = fill(lab, program, family)
        assert count(daemon) >= FLOWS
        daemon.end()
        began, events = time.monotonic(), begin(lab, SCALE).events()
        with heartbeats(program, daemon) as ages:
            wait_for(lambda: count(daemon) <= LIVE + 10, 300, "all others to end", 0.2)
        ended_s = time.monotonic() - began
        assert count(daemon) >= LIVE
    told = list(live.told())
    p99 = statistics.quantiles(ages, n=100)[98]
    figure(
        f"{FLOWS} flows end, {family}",
        filled_s=f"{filled_s:.1f}",
        ended_within_s=f"{ended_s:.1f}",
        heartbeat_age_ms_median=f"{statistics.median(ages):.1f}",
        p99=f"{p99:.1f}",
        max=f"{max(ages):.1f}",
        live_datagrams=len(told),
        rss_kb=rss_kb(daemon),
    )
    assert told and all(came and same for _, came, same in told)
    assert p99 < 100
    assert daemon.events() == events
    assert rss_kb(daemon) < MAX_RSS_KB
    nothing_is_left(daemon, family)


def nothing_is_left(daemon, family):
    """But of the probes: no reply, binding, port once it is out of quarantine, nor what is counted of the client."""

    def left(name):
        return len(table(daemon, f"{name}{family.version}"))

    wait_for(lambda: count(daemon) == 0, UDP_S / SCALE + 60, "flows to end that were in use", 0.5)
    for name in ("wh_replies", "wh_binds", "wh_ports"):
        wait_for(lambda n=name: left(n) <= left("wh_flows"), PORT_S / SCALE + 30, f"{name} to be empty", 0.5)
    wait_for(lambda: not table(daemon, "wh_clients"), 30, "the client to be forgotten", 0.5)
