# SPDX-License-Identifier: GPL-2.0
"""The lab itself: what it breaks is broken in that way and no other, and its traffic tells the truth. No controller."""

import json
import os
import time

import pytest

from inside import Capture, open_socket
from lab import FAMILIES, OVERLAPPING, SERVER, V4, V6, Lab, LabError, account, wait_for, wan_address

LAB = {"wans": 2, "options": ["--masquerade"]}

both = pytest.mark.parametrize("ip", FAMILIES, ids=str)


def pings(lab, part, address):
    return lab.run(part, "ping", "-c", 1, "-W", 0.5, address, check=False).returncode == 0


def carrier(lab, device):
    return json.loads(lab.run("router", "ip", "-j", "link", "show", device).stdout)[0]["operstate"] == "UP"


def received(lab, device):
    """Packets that came into the Internet from a provider."""
    shown = json.loads(lab.run("inet", "ip", "-j", "-s", "link", "show", device).stdout)
    return shown[0]["stats64"]["rx"]["packets"]


def use_wan(lab, number):
    """Let the router's kernel prefer a WAN."""
    for ip in FAMILIES:
        lab.ip("router", "route", "replace", ip.default, "via", ip.gateway(number), "dev", f"wan{number}", "metric", 1)


def silent_for(stream, seconds):
    """No echo has come for that long."""
    return time.monotonic_ns() - account.echoes(stream.records())[-1]["echoed_ns"] > seconds * 1e9


@pytest.fixture(autouse=True)
def routes(lab):
    yield
    for ip in FAMILIES * 2:
        lab.ip("router", "route", "delete", ip.default, "metric", 1, check=False)


def seen_of_all(lab, ip, *args, **kwargs):
    """What the servers see of each kind of client."""
    clients = [lab.client(kind, "--duration", 0.5, *args, ip=ip, **kwargs) for kind in ("udp", "http", "tcp", "dns")]
    return {client.name: {r["wan"] for r in client.finish() if "wan" in r} for client in clients}


@both
@pytest.mark.parametrize("number", [1, 2])
def test_server_sees_the_wan(lab, number, ip):
    use_wan(lab, number)
    lab.servers(ip=ip)
    assert set(map(tuple, seen_of_all(lab, ip).values())) == {(ip.wan(number),)}


def test_carrier(lab):
    lab.break_wan(1, "carrier")
    wait_for(lambda: not carrier(lab, "wan1"), 5, "wan1 to lose its carrier")
    assert carrier(lab, "wan2")
    assert "wan1     carrier" in lab.control("status")
    lab.heal(1)
    wait_for(lambda: carrier(lab, "wan1"), 5, "wan1 to have a carrier")
    for ip in FAMILIES:
        wait_for(lambda ip=ip: pings(lab, "client", ip.server), 5, f"{ip} to be there again")


@both
def test_blackhole_is_silent_and_behind_the_gateway(lab, ip):
    assert pings(lab, "client", ip.server)
    lab.break_wan(1, "blackhole")
    assert not pings(lab, "client", ip.server)
    assert pings(lab, "router", ip.provider(1))
    assert carrier(lab, "wan1")
    use_wan(lab, 2)
    assert pings(lab, "client", ip.server)


@pytest.mark.parametrize("fault", [("blackhole",), ("loss", 100), ("delay", 900)], ids=lambda fault: fault[0])
@pytest.mark.parametrize("broken, whole", [(V4, V6), (V6, V4)], ids=str)
def test_one_family_alone_is_broken(lab, fault, broken, whole):
    lab.break_wan(1, *fault, "--family", broken.version)
    assert not pings(lab, "client", broken.server)
    assert pings(lab, "client", whole.server)


@pytest.mark.parametrize("ip, direction, arriving", [(V4, "up", 0.7), (V4, "down", 1.0), (V6, "up", 0.7)], ids=str)
def test_loss_of_a_share_in_one_direction(lab, direction, arriving, ip):
    lab.servers("udp", ip=ip)
    lab.break_wan(1, "loss", 30, "--dir", direction)
    before = received(lab, "isp1")
    stream = lab.client("udp", "--duration", 2, "--rate", 1000, ip=ip).finish()
    arrived = received(lab, "isp1") - before
    sent = sum("seq" in record for record in stream)
    assert sent > 1000
    assert arrived / sent == pytest.approx(arriving, abs=0.06)
    assert len(account.echoes(stream)) / sent == pytest.approx(0.7, abs=0.06)


@both
@pytest.mark.parametrize("direction, least_ms, most_ms", [("up", 40, 75), ("both", 80, 150)])
def test_delay(lab, direction, least_ms, most_ms, ip):
    lab.servers("udp", ip=ip)
    lab.break_wan(1, "delay", 40, "--dir", direction)
    stream = account.echoes(lab.client("udp", "--duration", 1, "--rate", 500, ip=ip).finish())
    trips = sorted((record["echoed_ns"] - record["sent_ns"]) / 1e6 for record in stream)
    assert len(trips) > 200
    assert least_ms <= trips[0] < most_ms  # the shortest: others waited for a processor as well
    assert pings(lab, "router", ip.provider(1))


def test_jitter_swings_around_the_delay(lab):
    lab.servers("udp")
    lab.break_wan(1, "delay", 40, "--jitter", 20, "--dir", "up")
    stream = account.echoes(lab.client("udp", "--duration", 2, "--rate", 20).finish())
    trips = sorted((record["echoed_ns"] - record["sent_ns"]) / 1e6 for record in stream)
    assert 20 <= trips[0] < 35
    assert trips[-1] > 45


def test_jitter_keeps_the_order(lab):
    lab.servers("udp")
    lab.break_wan(1, "delay", 20, "--jitter", 20, "--dir", "up")
    stream = account.echoes(lab.client("udp", "--duration", 0.5, "--rate", 500).finish())
    assert len(stream) > 100
    assert [record["seq"] for record in stream] == sorted(record["seq"] for record in stream)


def test_dead_is_silent_with_its_gateway(lab):
    lab.ip("router", "neigh", "flush", "dev", "wan1")
    lab.break_wan(1, "dead")
    assert carrier(lab, "wan1")
    for ip in FAMILIES:
        assert not pings(lab, "router", ip.provider(1))


def test_heal_leaves_nothing_behind(lab):
    before = lab.snapshot("isp1"), lab.snapshot("router")
    lab.break_wan(1, "delay", 10)
    lab.break_wan(1, "loss", 10)
    lab.break_wan(1, "blackhole", "--dir", "down")
    lab.break_wan(1, "dead")
    lab.break_wan(1, "carrier")
    broken = lab.control("status")
    for fault in ("carrier", "dead", "blackhole down", "loss both", "delay 10 ms"):
        assert fault in broken
    assert (lab.snapshot("isp1"), lab.snapshot("router")) != before
    lab.heal()
    assert lab.run("isp1", "pgrep", "--ns", "self", "--nslist", "net", "impair", check=False).stdout == ""
    wait_for(lambda: (lab.snapshot("isp1"), lab.snapshot("router")) == before, 5, "everything to be as before")
    assert "wan1     healthy" in lab.control("status")


def test_udp_stream_counts_what_is_lost(lab):
    lab.servers("udp")
    stream = lab.client("udp", "--duration", 5, "--rate", 200, "--timeout", 0.5)
    wait_for(lambda: len(stream.records()) > 100, 5, "the stream to flow")
    broken_ns = lab.break_wan(1, "blackhole")
    wait_for(lambda: silent_for(stream, 0.5), 5, "the stream to be cut")
    use_wan(lab, 2)
    wait_for(lambda: account.switch(stream.records(), broken_ns), 5, "the stream to go on")
    healed_ns = lab.heal(1)
    records = stream.finish()
    last_ns, first_ns, wan = account.switch(records, broken_ns)
    assert wan == wan_address(2)
    slack_ns = 3e8  # for a busy machine
    gone = account.lost(records)
    assert gone and all(last_ns - slack_ns < record["sent_ns"] < first_ns for record in gone)
    assert account.lost(records, until_ns=broken_ns - slack_ns) == [] and account.lost(records, healed_ns) == []
    assert account.max_gap_ns(records) == first_ns - last_ns


def test_tcp_session_tells_stall_recovery_and_reset(lab):
    lab.servers("tcp")
    session = lab.client("tcp", "--duration", 20, "--stall", 0.3)
    wait_for(lambda: account.events(session.records(), "echo"), 5, "the session to be heard")
    lab.break_wan(1, "blackhole")
    wait_for(lambda: account.events(session.records(), "stalled"), 5, "the session to stall")
    lab.heal(1)
    wait_for(lambda: account.events(session.records(), "recovered"), 10, "the session to go on")
    use_wan(lab, 2)  # the kernel forgets its translation, so that the server sees a stranger and resets
    reset = wait_for(lambda: account.events(session.records(), "reset"), 5, "the session to be reset")[0]
    wait_for(lambda: len(account.events(session.records(), "connected")) == 2, 5, "the session to be there again")
    again = account.events(session.stop(), "connected", reset["at_ns"])[0]
    assert reset["error"] == "ECONNRESET"
    assert again["wan"] == wan_address(2)


@pytest.mark.parametrize("kind", ["http", "dns"])
def test_attempts_that_fail_are_told(lab, kind):
    lab.servers(kind)
    loop = lab.client(kind, "--duration", 20, "--timeout", 0.3, "--rate", 20)
    wait_for(lambda: account.first_by(loop.records(), wan_address(1), 0), 5, "a first answer")
    broken_ns = lab.break_wan(1, "blackhole")
    wait_for(lambda: account.failed(loop.records()), 5, "an attempt to fail")
    healed_ns = lab.heal()
    wait_for(lambda: account.first_by(loop.records(), wan_address(1), healed_ns), 5, "an answer after healing")
    records = loop.stop()
    bad = account.failed(records)
    assert {attempt["error"] for attempt in bad} == {"timeout"}
    assert all(broken_ns - 4e8 < attempt["at_ns"] < healed_ns + 1e8 for attempt in bad)


def test_without_translation_answers_take_the_way_the_question_came():
    with Lab(f"wh-lab-routed-{os.getpid()}", options=["--nat-none", "--no-offload"]) as lab:
        for ip in FAMILIES:
            lab.servers("udp", ip=ip)
        before = received(lab, "isp2")
        for ip in FAMILIES:
            stream = lab.client("udp", "--duration", 0.3, ip=ip).finish()
            assert {record["wan"] for record in account.echoes(stream)} == {ip.client}
        assert received(lab, "isp2") < before + 10  # a word between neighbours
        use_wan(lab, 2)
        lab.break_wan(1, "blackhole")
        for ip in FAMILIES:
            before = received(lab, "isp2")
            stream = lab.client("udp", "--duration", 0.3, ip=ip).finish()
            assert len(account.echoes(stream)) > 100 and not account.lost(stream)
            assert received(lab, "isp2") > before + 100


def test_many_wans_a_second_lan_and_prefixes_that_are_delegated():
    options = ["--masquerade", "--lan2", "--delegate", "--inside6", "wan3", "--inside6", "ula"]
    with Lab(f"wh-lab-many-{os.getpid()}", wans=8, options=options) as lab:
        for ip in FAMILIES:
            lab.servers(ip=ip)
        use_wan(lab, 8)
        for ip in FAMILIES:
            for kind, seen in seen_of_all(lab, ip, "--from", ip.client3, part="client3").items():
                assert seen == {ip.wan(8)}, kind
        # from within the prefix that wan3 delegates the router goes by wan3, as DHCPv6 clients set it up
        own = "2001:db8:3:100::2"
        assert pings(lab, "client", V6.server_at(1))
        with Capture(lab, "isp3", "cust0") as wire:
            open_socket(lab, "client", bind=(own, 42000)).sendto(b"by three", (V6.server, 9))
            assert wire.wait(lambda frame: frame.ip is not None and frame.ip.src == V6.wan(3))
        assert "wan8     healthy" in lab.control("status")


def test_devices_without_ethernet_header():
    options = ["--masquerade", "--lan2", "--l3", "lan2", "--l3", "wan1"]
    with Lab(f"wh-lab-l3-{os.getpid()}", options=options) as lab:
        for ip in FAMILIES:
            lab.servers(ip=ip)
            with Capture(lab, "isp1", "cust0") as wire:
                for kind, seen in seen_of_all(lab, ip, part="client3").items():
                    assert seen == {ip.wan(1)}, kind
                first = wire.wait(lambda frame, ip=ip: frame.ip is not None and frame.ip.dst == ip.server)
            assert first.ip.src == ip.wan(1) and not first.ethernet
        lab.break_wan(1, "carrier")
        wait_for(lambda: "NO-CARRIER" in lab.ip("router", "link", "show", "wan1"), 5, "wan1 to lose its carrier")
        assert "wan1     carrier" in lab.control("status") and "wan2     healthy" in lab.control("status")
        lab.heal(1)
        wait_for(lambda: pings(lab, "client3", V6.server) and pings(lab, "client", SERVER), 5, "wan1 to be back")


def test_a_wan_whose_subnet_is_the_lans():
    with Lab(f"wh-lab-overlap-{os.getpid()}", options=["--masquerade", "--overlap", "wan1"]) as lab:
        lab.servers()
        assert set(map(tuple, seen_of_all(lab, V4).values())) == {(OVERLAPPING,)}
        lab.break_wan(1, "carrier")
        lab.heal()
        wait_for(lambda: pings(lab, "client", SERVER), 5, "wan1 to be back")


@both
def test_a_host_outside_opens_a_session_inwards(lab, ip):
    """To the router's address on any WAN, from a source that does not tell which."""
    lab.spawn("router", "udp-server", "--bind", ip.wan(2))
    lab.ip("router", "route", "add", ip.host(ip.server_at(9)), "via", ip.gateway(2), "dev", "wan2")
    try:
        args = "--to", ip.wan(2), "--from", ip.server_at(9), "--duration", 0.3
        stream = lab.client("udp", *args, part="inet").finish()
    finally:
        lab.ip("router", "route", "delete", ip.host(ip.server_at(9)))
    assert {record["wan"] for record in account.echoes(stream)} == {ip.server_at(9)}


def test_the_bridge_meets_iptables_only_where_it_is_told_to(lab):
    def setting(one):
        return one.run("router", "sysctl", "-n", "net.bridge.bridge-nf-call-iptables").stdout.strip()

    with Lab(f"wh-lab-bridge-{os.getpid()}", options=["--br-netfilter", "--inside6", "none"]) as other:
        assert (setting(lab), setting(other)) == ("0", "1")
        assert other.ip("client", "-6", "address") == ""


def test_up_and_down_can_be_repeated(lab):
    name = f"wh-lab-twice-{os.getpid()}"
    with Lab(name, wans=3) as other:
        other.control("up", "--wans", 2)
        assert "wan2" in other.control("status") and "wan3" not in other.control("status")
        other.servers("udp")
        other.control("down")
        other.control("down")
        assert not [entry for entry in os.listdir("/run/netns") if entry.startswith(name)]
    assert pings(lab, "client", SERVER)


@pytest.mark.parametrize(
    "args, complaint",
    [
        (("break", "wan7", "carrier"), 'no WAN "wan7"'),
        (("break", "wan1", "los", 3), '"los": carrier, blackhole, dead, loss or delay was expected'),
        (("break", "wan1", "loss", 101), 'loss "101"'),
        (("break", "wan1", "delay", "x"), 'delay "x"'),
        (("break", "wan1", "loss", 10, "--dir", "north"), '"north": up, down or both'),
        (("break", "wan1"), '"": carrier'),
        (("heal", "eth0"), 'no WAN "eth0"'),
        (("break", "wan1", "blackhole", "--family", 5), '--family "5": 4, 6 or both'),
        (("up", "--wans", 9), '--wans "9": 2 to 8'),
        (("up", "--l3", "eth0"), '--l3 "eth0": lan2 or wanI'),
        (("up", "--inside6", "wan1", "--inside6", "none"), "none, and"),
        (("exec", "moon", "true"), 'no part "moon"'),
        (("fly",), 'no command "fly"'),
    ],
)
def test_wrong_input_is_named(lab, args, complaint):
    with pytest.raises(LabError) as failed:
        lab.control(*args)
    assert complaint in str(failed.value)
    assert "wan1     healthy" in lab.control("status")
