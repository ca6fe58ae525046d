# SPDX-License-Identifier: GPL-2.0
"""The lab itself: what it breaks is broken in that way and no other, and its traffic tells the truth. No controller."""

import json
import os
import time

import pytest

from lab import CLIENT, SERVER, Lab, LabError, account, wait_for, wan_address

LAB = {"wans": 2, "options": ["--masquerade"]}


def pings(lab, part, address):
    return lab.run(part, "ping", "-c", 1, "-W", 1, address, check=False).returncode == 0


def carrier(lab, device):
    return json.loads(lab.run("router", "ip", "-j", "link", "show", device).stdout)[0]["operstate"] == "UP"


def received(lab, device):
    """Packets that came into the Internet from a provider."""
    shown = json.loads(lab.run("inet", "ip", "-j", "-s", "link", "show", device).stdout)
    return shown[0]["stats64"]["rx"]["packets"]


def use_wan(lab, number):
    """Let the router's kernel prefer a WAN."""
    gateway = f"198.18.{number}.1"
    lab.run("router", "ip", "route", "replace", "default", "via", gateway, "dev", f"wan{number}", "metric", 1)


def silent_for(stream, seconds):
    """No echo has come for that long."""
    return time.monotonic_ns() - account.echoes(stream.records())[-1]["echoed_ns"] > seconds * 1e9


@pytest.fixture(autouse=True)
def routes(lab):
    yield
    for _ in range(2):
        lab.run("router", "ip", "route", "delete", "default", "metric", 1, check=False)


@pytest.mark.parametrize("number", [1, 2])
def test_server_sees_the_wan(lab, number):
    use_wan(lab, number)
    lab.servers()
    clients = [lab.client(kind, "--duration", 0.5) for kind in ("udp", "http", "tcp", "dns")]
    for client in clients:
        seen = {record["wan"] for record in client.finish() if "wan" in record}
        assert seen == {wan_address(number)}, client.name


def test_carrier(lab):
    lab.break_wan(1, "carrier")
    wait_for(lambda: not carrier(lab, "wan1"), 5, "wan1 to lose its carrier")
    assert carrier(lab, "wan2")
    assert "wan1     carrier" in lab.control("status")
    lab.heal(1)
    wait_for(lambda: carrier(lab, "wan1"), 5, "wan1 to have a carrier")
    assert pings(lab, "client", SERVER)


def test_blackhole_is_silent_and_behind_the_gateway(lab):
    assert pings(lab, "client", SERVER)
    lab.break_wan(1, "blackhole")
    assert not pings(lab, "client", SERVER)
    assert pings(lab, "router", "198.18.1.1")
    assert carrier(lab, "wan1")
    use_wan(lab, 2)
    assert pings(lab, "client", SERVER)


@pytest.mark.parametrize("direction, arriving", [("up", 0.7), ("down", 1.0)])
def test_loss_of_a_share_in_one_direction(lab, direction, arriving):
    lab.servers("udp")
    lab.break_wan(1, "loss", 30, "--dir", direction)
    before = received(lab, "isp1")
    stream = lab.client("udp", "--duration", 2, "--rate", 1000).finish()
    arrived = received(lab, "isp1") - before
    sent = sum("seq" in record for record in stream)
    assert sent > 1000
    assert arrived / sent == pytest.approx(arriving, abs=0.06)
    assert len(account.echoes(stream)) / sent == pytest.approx(0.7, abs=0.06)


@pytest.mark.parametrize("direction, least_ms, most_ms", [("up", 40, 75), ("both", 80, 150)])
def test_delay(lab, direction, least_ms, most_ms):
    lab.servers("udp")
    lab.break_wan(1, "delay", 40, "--dir", direction)
    stream = account.echoes(lab.client("udp", "--duration", 1, "--rate", 500).finish())
    trips = sorted((record["echoed_ns"] - record["sent_ns"]) / 1e6 for record in stream)
    assert len(trips) > 200
    assert trips[0] >= least_ms
    assert trips[len(trips) // 2] < most_ms
    assert pings(lab, "router", "198.18.1.1")


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


def test_heal_leaves_nothing_behind(lab):
    before = lab.snapshot("isp1"), lab.snapshot("router")
    lab.break_wan(1, "delay", 10)
    lab.break_wan(1, "loss", 10)
    lab.break_wan(1, "blackhole", "--dir", "down")
    lab.break_wan(1, "carrier")
    broken = lab.control("status")
    for fault in ("carrier", "blackhole down", "loss both", "delay 10 ms"):
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
        lab.servers("udp")
        before = received(lab, "isp2")
        stream = lab.client("udp", "--duration", 0.3).finish()
        assert {record["wan"] for record in account.echoes(stream)} == {CLIENT}
        assert received(lab, "isp2") == before
        use_wan(lab, 2)
        lab.break_wan(1, "blackhole")
        stream = lab.client("udp", "--duration", 0.3).finish()
        assert len(account.echoes(stream)) > 100 and not account.lost(stream)
        assert received(lab, "isp2") > before


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
        (("break", "wan1", "los", 3), '"los": carrier, blackhole, loss or delay was expected'),
        (("break", "wan1", "loss", 101), 'loss "101"'),
        (("break", "wan1", "delay", "x"), 'delay "x"'),
        (("break", "wan1", "loss", 10, "--dir", "north"), '"north": up, down or both'),
        (("break", "wan1"), '"": carrier'),
        (("heal", "eth0"), 'no WAN "eth0"'),
        (("up", "--wans", 5), '--wans "5"'),
        (("exec", "moon", "true"), 'no part "moon"'),
        (("fly",), 'no command "fly"'),
    ],
)
def test_wrong_input_is_named(lab, args, complaint):
    with pytest.raises(LabError) as failed:
        lab.control(*args)
    assert complaint in str(failed.value)
    assert "wan1     healthy" in lab.control("status")
