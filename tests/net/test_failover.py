# SPDX-License-Identifier: GPL-2.0
"""
A WAN dies, is taken out by hand, or comes back: how long users go without, which of their sessions are reset and
which go on, seen from outside by the traffic. In the configuration, fiber (wan1) is preferred to lte (wan2).
"""

import os
import random
import statistics
import subprocess
import time

import pytest

from lab import FAMILIES, V4, V6, Lab, LabError, account, wait_for
from steering import (
    FIBER,
    FIREWALLS,
    LTE,
    counted,
    figure,
    flows,
    gap_ms,
    rounds,
    spread,
    start,
    tcp_session,
    udp_stream,
    wait_up,
    way_of,
    ways_of_new_flows,
)

LAB = {"wans": 2}

# Bypass has no way through the kernel that could be in the way; IPv6 has a path of its own.
KINDS = [pytest.param(V4, firewall, id=f"IPv4-{firewall}") for firewall in FIREWALLS]
KINDS.append(pytest.param(V6, "kernel", id="IPv6-kernel"))


def fresh_stream(lab, ip):
    """On wan1. A port that an earlier round's stream took to wan2 still belongs there, and may be drawn again."""
    for _ in range(3):
        stream = udp_stream(lab, ip=ip)
        if way_of(stream) == ip.wan(1):
            return stream
        stream.stop()
    raise LabError(f"new streams do not go by wan1: {lab.daemon.events()[-6:]}")


def one_switch(lab, kind, ip):
    """
    Break wan1 under a stream, wait until it goes by wan2, and heal: (ms without packets, datagrams lost, when it went
    on).
    """
    stream = fresh_stream(lab, ip)
    broken_ns = lab.break_wan(1, kind)
    wait_for(lambda: way_of(stream) == ip.wan(2), 5, "the stream to go by wan2")
    records = stream.stop()
    lab.heal(1)
    wait_up(lab.daemon)
    gap = gap_ms(records, broken_ns, ip.wan(1), ip.wan(2))
    return gap, len(account.lost(records)), account.switch(records, broken_ns)[1]


@pytest.mark.parametrize("ip, firewall", KINDS)
def test_silent_blackhole_takes_under_a_second(lab, ip, firewall):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    start(lab, firewall=firewall)
    for kind in ("udp", "http"):
        lab.spawn("inet", f"{kind}-server", "--bind", ip.server, "--duration", 600)
    gaps = []
    for _ in range(rounds(4, 50)):
        short = lab.client("http", "--duration", 30, "--timeout", 2, ip=ip)
        time.sleep(chance.uniform(0, 0.2))  # at any moment between two probes
        gap, lost, switched_ns = one_switch(lab, "blackhole", ip)
        print(f"{gap:.1f} ms, {lost} datagrams lost")
        gaps.append(gap)
        short = short.stop()
        assert account.first_by(short, ip.wan(2), switched_ns), "short flows on wan2"
        assert account.failed(short, switched_ns) == [], "short flows begun after the switch"
    title = f"silent blackhole, {ip}, {firewall} (seed {seed}), ms without users' packets"
    figure(title, rounds=len(gaps), **spread(gaps))
    assert statistics.median(gaps) < 600
    assert max(gaps) < 1000


@pytest.mark.parametrize("ip, firewall", KINDS)
def test_carrier_loss_takes_no_time(lab, ip, firewall):
    start(lab, firewall=firewall)
    lab.servers("udp", ip=ip)
    gaps, lost, _ = zip(*(one_switch(lab, "carrier", ip) for _ in range(rounds(3, 20))))
    figure(f"carrier loss, {ip}, {firewall}, ms without users' packets", rounds=len(gaps), **spread(gaps))
    figure(f"carrier loss, {ip}, {firewall}, datagrams lost at 1 kHz", **spread(lost))
    assert max(gaps) < 50


class Sessions:
    """One that talks and one that only listens."""

    def __init__(self, lab, ip=V4):
        self.active, self.idle = tcp_session(lab, ip=ip), tcp_session(lab, "--silent", ip=ip)
        self.both = (self.active, self.idle)

    def resets(self):
        return [account.events(one.records(), "reset") for one in self.both]

    def ways(self):
        """Where each was at first, and where it is since it last connected."""
        return [[event["wan"] for event in account.events(one.records(), "connected")] for one in self.both]

    def wait_reset(self, timeout_s=5):
        wait_for(lambda: all(self.resets()), timeout_s, "both sessions to be reset")
        wait_for(lambda: all(len(ways) > 1 for ways in self.ways()), 5, "both sessions to be there again")
        return self.resets()


@pytest.fixture(params=["offload", "no-offload"])
def either_lab(request):
    """The module's lab, and one in which no device computes checksums or makes segments."""
    if request.param == "offload":
        yield request.getfixturevalue("lab")
        return
    with Lab(f"wh-failover-plain-{os.getpid()}", options=["--no-offload"]) as lab:
        yield lab


def start_download(lab, size, path, ip):
    """Of some seconds, by the WAN that new flows take."""
    host = f"[{ip.server}]" if ip.version == 6 else ip.server
    curl = ("curl", "-sS", "--limit-rate", "3M", "-o", path, f"http://{host}/{size}")
    begun = subprocess.Popen(lab.command("client", *curl))
    wait_for(lambda: path.exists() and path.stat().st_size > 0, 5, "the download to begin")
    return begun


def is_whole(path, size):
    """The server repeats a block of 64 KiB."""
    data = path.read_bytes()
    return len(data) == size and data == (data[: 1 << 16] * (size // (1 << 16) + 1))[:size]


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_sessions_of_the_dead_wan_are_reset_and_others_lose_nothing(either_lab, ip):
    lab = either_lab
    daemon = start(lab)
    lab.servers("tcp", "http", "dns", ip=ip)
    dead = Sessions(lab, ip)
    assert dead.ways() == [[ip.wan(1)], [ip.wan(1)]]
    idle_since_ns = account.events(dead.idle.records(), "connected")[0]["at_ns"]
    wait_for(lambda: time.monotonic_ns() - idle_since_ns > 2e9, what="the idle session to be idle for 2 s")
    daemon.cli("wan", "drain", "fiber")
    well = Sessions(lab, ip)
    size, path = 16_000_000, lab.folder / f"download-{ip}"
    download = start_download(lab, size, path, ip)
    daemon.cli("wan", "auto", "fiber")
    assert well.ways() == [[ip.wan(2)], [ip.wan(2)]]
    assert [flow["wan"] for flow in flows(daemon, dport=80)] == ["lte"]
    assert ways_of_new_flows(lab, ip) == {ip.wan(1)}

    broken_ns = lab.break_wan(1, "blackhole")
    resets = dead.wait_reset()
    assert download.poll() is None, "the download was to outlast the failover"
    assert download.wait(20) == 0
    assert is_whole(path, size)
    for kind, (reset, *more) in zip(("active", "idle"), resets):
        assert reset["error"] == "ECONNRESET" and not more
        assert 0 < reset["at_ns"] - broken_ns < 1.5e9
        took = f"{(reset['at_ns'] - broken_ns) / 1e6:.1f}"
        figure(f"reset of the {kind} session, {ip}, ms after the WAN died", it=took)
    assert [ways[1:] for ways in dead.ways()] == [[ip.wan(2)], [ip.wan(2)]]
    told = well.active.stop()
    assert {record["event"] for record in told} == {"connected", "echo"}, "stalled or reset"
    said = [record["said_ns"] for record in account.events(told, "echo")]
    assert len(said) > 20 and max(b - a for a, b in zip(said, said[1:])) < 0.5e9, "lines that were not echoed"
    assert [record["event"] for record in well.idle.stop()] == ["connected"]


def all_dead(lab):
    """Sessions and a stream on wan1, and then no WAN at all. wan2 first: a WAN that lives would be better."""
    sessions, stream = Sessions(lab), udp_stream(lab, "--rate", 200)
    lab.break_wan(2, "blackhole")
    lab.daemon.wait_states(lte="down")
    assert way_of(stream) == FIBER
    lab.break_wan(1, "blackhole")
    lab.daemon.wait_states(fiber="down")
    wait_for(lambda: account.events(sessions.active.records(), "stalled"), 5, "the active session to stall")
    assert sessions.resets() == [[], []]
    assert {flow["wan"] for flow in flows(lab.daemon, dport=7)} == {"fiber"}
    assert counted(lab.daemon, "moved") == counted(lab.daemon, "reset") == 0
    return sessions, stream


def test_with_all_wans_dead_nothing_is_touched_and_what_heals_goes_on(lab):
    daemon = start(lab)
    lab.servers("tcp", "udp")
    sessions, stream = all_dead(lab)
    healed_ns = lab.heal(1)
    wait_for(lambda: account.events(sessions.active.records(), "recovered"), 20, "the active session to go on")
    wait_up(daemon, "fiber")
    echoed = [r for r in account.echoes(stream.stop()) if r["echoed_ns"] > healed_ns]
    assert len(echoed) > 100 and {r["wan"] for r in echoed} == {FIBER}
    assert sessions.resets() == [[], []]
    assert counted(lab.daemon, "moved") == counted(lab.daemon, "reset") == 0


def test_with_all_wans_dead_and_the_other_healed_sessions_are_reset(lab):
    daemon = start(lab)
    lab.servers("tcp", "udp")
    sessions, stream = all_dead(lab)
    lab.heal(2)
    resets = sessions.wait_reset(15)
    assert daemon.states()["fiber"] == "down"
    assert [reset[0]["error"] for reset in resets] == ["ECONNRESET"] * 2
    assert [ways[-1] for ways in sessions.ways()] == [LTE, LTE]
    wait_for(lambda: way_of(stream) == LTE, 5, "the stream to go by wan2")


def states_of(daemon, wan):
    """The way of its states so far: family → ["absent → pending", …]"""
    told = [event["evidence"].split(": ") for event in daemon.events("state") if event["wan"] == wan]
    return {str(ip): [change for family, change, *_ in told if family == str(ip)] for ip in FAMILIES}


def test_failover_and_failback_lose_nothing_more_and_are_told(lab):
    daemon = start(lab, hold="2s")
    lab.servers("udp", "tcp", "dns")
    sessions, stream = Sessions(lab), udp_stream(lab)
    moved_before = counted(daemon, "moved")
    broken_ns = lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    sessions.wait_reset()
    failover = daemon.wait_event("failover")

    healed_ns = lab.heal(1)
    daemon.wait_states(fiber="recovering")
    assert ways_of_new_flows(lab) == {LTE}, "new flows on a WAN that is held back"
    assert daemon.states()["fiber"] == "recovering", "the hold was to outlast this"
    wait_up(daemon, "fiber")
    assert ways_of_new_flows(lab) == {FIBER}
    records = stream.stop()
    gap, lost = gap_ms(records, broken_ns, FIBER, LTE), len(account.lost(records))

    assert way_of(stream) == LTE and way_of(sessions.active) == LTE, "old flows were moved back"
    assert account.lost(records, healed_ns) == [] and account.lost(records, until_ns=broken_ns) == []
    assert [len(resets) for resets in sessions.resets()] == [1, 1]
    assert failover["wan"] == "fiber" and failover["cause"] == "probes"
    assert failover["evidence"].startswith("IPv4 and IPv6: ")
    assert 0 < failover["detect_ms"] <= gap and 0 < failover["flip_us"] < 1000 * gap
    assert failover["moved"] == counted(daemon, "moved") - moved_before == 1
    assert failover["reset"] == 2
    assert failover["lost"] == pytest.approx(lost, rel=0.1)
    assert 0 <= failover["first_answer_ms"] < gap
    way = ["absent → pending", "pending → up", "suspect → down", "down → recovering", "recovering → up"]
    assert states_of(daemon, "fiber") == {"IPv4": way, "IPv6": way}
    assert len(daemon.events("failover")) == 1, "one for both families"
    assert [event["wan"] for event in daemon.events("failback")] == ["fiber"]
    figure("failover told", **{key: failover[key] for key in ("detect_ms", "flip_us", "lost", "first_answer_ms")})
    figure("failover measured", gap_ms=f"{gap:.1f}", lost=lost)
