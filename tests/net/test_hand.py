# SPDX-License-Identifier: GPL-2.0
"""The hand: wanhelm wan down, drain, up and auto, and what each does to traffic. fiber (wan1) is preferred."""

import json

import pytest

from lab import account, wait_for
from steering import FIBER, LTE, start, table, tcp_session, udp_stream, wait_up, way_of, ways_of_new_flows

LAB = {"wans": 2}


@pytest.fixture
def daemon(lab):
    lab.servers("udp", "tcp", "dns")
    return start(lab)


def words(daemon):
    """All that steers, without what beats by itself."""
    return [(key, {**row, "heartbeat_ns": 0, "gateways_until_ns": 0}) for key, row in table(daemon, "wh_steer")]


def forced(daemon):
    return {wan["name"]: wan["forced"] for wan in daemon.status()["wans"]}


def test_drain_keeps_what_is_there_and_takes_nothing_new(lab, daemon):
    stream, session = udp_stream(lab), tcp_session(lab)
    daemon.cli("wan", "drain", "fiber", "--reason", "maintenance")
    assert daemon.states()["fiber"] == "draining" and forced(daemon) == {"fiber": "drain", "lte": None}
    assert ways_of_new_flows(lab) == {LTE}
    daemon.cli("wan", "auto", "fiber")
    wait_up(daemon, "fiber")
    assert ways_of_new_flows(lab) == {FIBER}
    records = stream.stop()
    assert {record["wan"] for record in account.echoes(records)} == {FIBER} and account.lost(records) == []
    assert {record["event"] for record in session.stop()} == {"connected", "echo"}
    told = [(event["wan"], event["cause"], event["evidence"]) for event in daemon.events("override")]
    assert told == [("fiber", "hand", "drain: maintenance"), ("fiber", "hand", "auto")]


def test_down_is_a_failure(lab, daemon):
    stream, session = udp_stream(lab), tcp_session(lab)
    daemon.cli("wan", "down", "fiber")
    assert daemon.states()["fiber"] == "forced-down" and forced(daemon) == {"fiber": "down", "lte": None}
    wait_for(lambda: way_of(stream) == LTE, 5, "the stream to go by wan2")
    reset = wait_for(lambda: account.events(session.records(), "reset"), 5, "the session to be reset")
    assert [event["error"] for event in reset] == ["ECONNRESET"]
    failover = daemon.wait_event("failover")
    assert (failover["wan"], failover["cause"], failover["moved"], failover["reset"]) == ("fiber", "hand", 1, 1)
    daemon.cli("wan", "auto", "fiber")
    wait_up(daemon, "fiber")
    assert ways_of_new_flows(lab) == {FIBER}
    assert account.lost(stream.stop()) == [], "the WAN was well: a move loses nothing"


def test_up_ignores_the_probes(lab, daemon):
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    assert ways_of_new_flows(lab) == {LTE}
    daemon.cli("wan", "up", "fiber")
    assert daemon.states()["fiber"] == "forced-up" and forced(daemon)["fiber"] == "up"
    asked = account.tries(lab.client("dns", "--duration", 0.2, "--timeout", 0.2).finish())
    assert asked and not any(one["ok"] for one in asked), "new flows were to go by the dead WAN"
    daemon.cli("wan", "auto", "fiber")
    daemon.wait_states(fiber="down")
    assert ways_of_new_flows(lab) == {LTE}


def test_for_reverts_by_itself(lab, daemon):
    daemon.cli("wan", "down", "fiber", "--for", "2s")
    assert daemon.states()["fiber"] == "forced-down"
    assert ways_of_new_flows(lab) == {LTE}
    wait_up(daemon, "fiber")
    assert forced(daemon)["fiber"] is None
    assert ways_of_new_flows(lab) == {FIBER}
    down, auto = daemon.events("override")
    assert "down" in down["evidence"] and "auto" in auto["evidence"]


def test_what_is_refused_or_only_asked_changes_nothing(daemon):
    def all_of_it():
        return words(daemon), daemon.states(), daemon.events("override")

    before = all_of_it()
    for verb in ("down", "drain", "up", "auto"):
        told = json.loads(daemon.cli("wan", verb, "fiber", "--dry-run", "--json").stdout)
        assert told["dry_run"] and told["message"]
        assert all_of_it() == before, verb
    refused = daemon.cli("wan", "down", "fibre", check=False)
    assert refused.returncode == 1 and 'did you mean "fiber"' in refused.stderr
    assert all_of_it() == before
    daemon.cli("wan", "drain", "lte")  # it would have shown
    assert all(now != then for now, then in zip(all_of_it(), before))


def test_the_last_wan_is_asked_for(lab, daemon):
    lab.break_wan(2, "blackhole")
    daemon.wait_states(lte="down")
    stream = udp_stream(lab)
    before = words(daemon), daemon.states()
    for verb in ("down", "drain"):
        refused = daemon.cli("wan", verb, "fiber", check=False)
        assert refused.returncode == 1 and "fiber" in refused.stderr and "--yes" in refused.stderr
    assert (words(daemon), daemon.states()) == before
    daemon.cli("wan", "down", "fiber", "--yes")
    assert daemon.states()["fiber"] == "forced-down"
    daemon.cli("wan", "auto", "fiber")
    wait_up(daemon, "fiber")
    wait_for(lambda: way_of(stream) == FIBER, 5)
    assert account.lost(stream.stop()) == [], "without a better WAN, flows stay"
