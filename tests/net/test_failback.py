# SPDX-License-Identifier: GPL-2.0
"""
A WAN that had failed is back: when new flows return to it, and which of the old ones follow, by mode and age; and flows
that wait on a dead WAN. fiber (wan1) is preferred to lte (wan2).
"""

import pytest

from lab import FAMILIES, account, wait_for
from steering import FIBER, LTE, counted, flows, start, tcp_session, wait_up, way_of, ways_of_new_flows
from steering import udp_stream as usual_stream

LAB = {"wans": 2}


def udp_stream(lab, **kwargs):
    """Slow: what matters here is where it goes, and a busy machine must not make it lose anything by itself."""
    return usual_stream(lab, "--rate", 100, **kwargs)


def fail_over(lab, daemon):
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")


def come_back(lab, daemon):
    """It works again and its hold is over."""
    lab.heal(1)
    wait_up(daemon, "fiber")


def why(daemon, wan):
    [found] = [one for one in daemon.status()["classes"][0]["wans"] if one["name"] == wan]
    return found["why"]


def told(daemon):
    return [(event["wan"], event["cause"]) for event in daemon.events("failback")]


def events_of(session):
    return {record["event"] for record in session.records()}


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_move_takes_along_what_can_move(lab, ip):
    daemon = start(lab, failback="mode: move")
    lab.servers("udp", "tcp", "dns", ip=ip)
    fail_over(lab, daemon)
    stream, session = udp_stream(lab, ip=ip), tcp_session(lab, ip=ip)
    assert way_of(stream) == way_of(session) == ip.wan(2)
    moved = counted(daemon, "moved")
    come_back(lab, daemon)
    wait_for(lambda: way_of(stream) == ip.wan(1), 5, "the stream to go by wan1 again")
    assert ways_of_new_flows(lab, ip) == {ip.wan(1)}
    records = stream.stop()
    assert account.lost(records) == [], "a move between two WANs that work loses nothing"
    assert counted(daemon, "moved") == moved + 1 and counted(daemon, "reset") == 0
    said = len(account.events(session.records(), "echo"))
    wait_for(lambda: len(account.events(session.records(), "echo")) > said + 5, 5, "the session to go on")
    assert events_of(session) == {"connected", "echo"} and way_of(session) == ip.wan(2)
    assert told(daemon) == [("fiber", "hold")]


def test_manual_waits_for_the_verb(lab):
    daemon = start(lab, failback="mode: manual")
    lab.servers("udp", "tcp", "dns")
    fail_over(lab, daemon)
    refused = daemon.cli("failback", "fiber", check=False)
    assert refused.returncode == 1 and "fiber cannot be used now: down" in refused.stderr
    stream, session = udp_stream(lab), tcp_session(lab)
    come_back(lab, daemon)
    assert ways_of_new_flows(lab) == {LTE}
    assert "wanhelm failback fiber" in why(daemon, "fiber")
    daemon.end()
    daemon.start(None)
    wait_up(daemon)
    assert ways_of_new_flows(lab) == {LTE}, "a restart is no failback"
    assert told(daemon) == []
    assert daemon.cli("failback", "fiber").stdout == "fiber is used again\n"
    assert ways_of_new_flows(lab) == {FIBER}
    assert daemon.cli("failback", "fiber").stdout.startswith("there was nothing to take back")
    assert told(daemon) == [("fiber", "hand")]
    assert way_of(stream) == way_of(session) == LTE, "old flows were moved"
    assert account.lost(stream.stop()) == [] and events_of(session) == {"connected", "echo"}
    unknown = daemon.cli("failback", "fibre", check=False)
    assert unknown.returncode == 1 and 'did you mean "fiber"' in unknown.stderr


def test_manual_ends_when_the_other_fails(lab):
    daemon = start(lab, failback="mode: manual")
    lab.servers("udp", "dns")
    fail_over(lab, daemon)
    stream = udp_stream(lab)
    come_back(lab, daemon)
    assert ways_of_new_flows(lab) == {LTE}
    lab.break_wan(2, "carrier")
    wait_for(lambda: way_of(stream) == FIBER, 5, "the stream to go by wan1")
    assert ways_of_new_flows(lab) == {FIBER}
    assert told(daemon) == [("fiber", "failover")]


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_old_sessions_are_not_left_behind(lab, ip):
    daemon = start(lab, failback="max-age: 6s")
    lab.servers("udp", "tcp", "dns", ip=ip)
    fail_over(lab, daemon)
    stream, idle = udp_stream(lab, ip=ip), tcp_session(lab, "--silent", ip=ip)
    wait_for(lambda: flows(daemon, proto="tcp", dport=7)[0]["age_s"] >= 6, 15, "the session to be old")
    come_back(lab, daemon)
    busy = tcp_session(lab, ip=ip)
    assert way_of(busy) == ip.wan(1)
    wait_for(lambda: way_of(stream) == ip.wan(1), 5, "the old stream to go by wan1")
    reset = wait_for(lambda: account.events(idle.records(), "reset"), 20, "the silent session to be told")
    assert [event["error"] for event in reset] == ["ECONNRESET"]
    wait_for(lambda: len(account.events(idle.records(), "connected")) > 1, 5, "the session to be there again")
    assert [event["wan"] for event in account.events(idle.records(), "connected")] == [ip.wan(2), ip.wan(1)]
    assert account.lost(stream.stop()) == [] and events_of(busy) == {"connected", "echo"}


def test_a_session_is_left_until_it_is_too_old(lab):
    daemon = start(lab, failback="max-age: 15s")
    lab.servers("tcp", "dns")
    fail_over(lab, daemon)
    session = tcp_session(lab)
    born_ns = account.events(session.records(), "connected")[0]["at_ns"]
    come_back(lab, daemon)
    assert ways_of_new_flows(lab) == {FIBER}
    assert events_of(session) == {"connected", "echo"} and way_of(session) == LTE
    [reset] = wait_for(lambda: account.events(session.records(), "reset"), 30, "the session to be reset")
    assert reset["at_ns"] - born_ns > 13e9, "it was younger than its limit"
    wait_for(lambda: way_of(session) == FIBER, 5, "the session to be there again")


def test_flows_wait_on_a_dead_wan(lab):
    daemon = start(lab, "{on-failover: {hold: 15s}}")
    lab.servers("udp", "tcp", "dns")
    stream, busy, idle = udp_stream(lab), tcp_session(lab), tcp_session(lab, "--silent")
    fail_over(lab, daemon)
    assert ways_of_new_flows(lab) == {LTE}
    come_back(lab, daemon)
    wait_for(lambda: account.events(busy.records(), "recovered"), 20, "the session to go on")
    assert way_of(stream) == way_of(busy) == FIBER
    assert counted(daemon, "moved") == counted(daemon, "reset") == 0
    assert account.events(idle.records(), "reset") == []

    fail_over(lab, daemon)
    wait_for(lambda: way_of(stream) == LTE, 25, "the wait to be over")
    for session in (busy, idle):
        reset = wait_for(lambda one=session: account.events(one.records(), "reset"), 5, "the sessions to be reset")
        assert [event["error"] for event in reset] == ["ECONNRESET"]
        wait_for(lambda one=session: way_of(one) == LTE, 5, "the sessions to be there again")
    assert daemon.states()["fiber"] == "down"
