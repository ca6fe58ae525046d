# SPDX-License-Identifier: GPL-2.0
"""
`wanhelm reload`: what is refused changes nothing, what is applied takes effect at once for new flows and leaves the
old ones. And `wanhelm metrics`, as a scraper would read it, with live figures.
"""

import re
import signal

import pytest

from held import lookup
from inside import is_silent, open_socket
from lab import SERVER, wait_for, wan_address
from steering import config, pins, start, table, wait_up

LAB = {"wans": 2}

PORT = 9000


@pytest.fixture
def server(lab):
    with open_socket(lab, "inet", bind=(SERVER, PORT)) as sock:
        yield sock


def way(server, client):
    """The address by which a client is seen."""
    client.sendto(b"?", (SERVER, PORT))
    return server.recvfrom(10)[1][0]


def state(daemon):
    """All that decides: masks, who works, the hand, tables, classes, WANs, flows (not the heartbeat beside them)."""
    folder = daemon.bpf_dir
    everyone = lookup("pinned", folder / "wh_steer", key=64)
    wans = [row for _, row in table(daemon, "wh_wans")]
    for family in (row[which] for row in wans for which in ("v4", "v6")):
        del family["state"], family["since_s"]
    return {
        "masks": lookup("pinned", folder / "wh_steer"),
        "alive, hand": everyone[:24],
        "flips, firewall, clients' limit, policy": everyone[32:56],
        "buckets": lookup("pinned", folder / "wh_buckets"),
        "match lines": lookup("pinned", folder / "wh_rules"),
        "class": lookup("pinned", folder / "wh_classes"),
        "wans": wans,
        "flows": pins(daemon),
        "states": {name: now.replace("suspect", "up") for name, now in daemon.states().items()},
    }


def line_of(text, part):
    return next(number for number, line in enumerate(text.split("\n"), start=1) if part in line)


def broken(how):
    """A configuration that must be refused, and what must be said of it."""
    good = config("{balance: {fiber: 1, lte: 3}}")
    if how == "an unknown WAN":
        text = config("{prefer: [lte, fibre]}")
        return text, rf"wanhelm.yaml:{line_of(text, 'fibre')}:\d+: .*fibre.*fiber"
    if how == "an unknown key":
        text = good + "clases: {}\n"
        return text, rf"wanhelm.yaml:{line_of(text, 'clases')}:\d+: .*clases.*classes"
    if how == "no YAML":
        text = good + "wans: [\n"
        return text, r"wanhelm.yaml:\d+:\d+: "
    if how == "another mark":
        return good + "mark: {value: 0x11000000, mask: 0xff000000}\n", "mark"
    assert how == "a bridge's port"
    return good.replace("[lan0]", "[port-client]"), "port-client.*bridge lan0"


WRONG = ["an unknown WAN", "an unknown key", "no YAML", "another mark", "a bridge's port"]


@pytest.mark.parametrize("by", ["command", "signal"])
def test_refused(lab, server, by):
    daemon = start(lab, "{prefer: [lte, fiber]}")
    client = open_socket(lab, "client")
    assert way(server, client) == wan_address(2)
    before = state(daemon)
    for count, how in enumerate(WRONG):
        text, complaint = broken(how)
        daemon.config.write_text(text)
        if by == "command":
            done = daemon.cli("reload", check=False)
            assert done.returncode == 2, how
            assert len(done.stderr.strip().split("\n")) == 1, how
            assert re.search(complaint, done.stderr), how
        else:
            daemon.process.send_signal(signal.SIGHUP)
        record = daemon.wait_event("reload", skip=count)
        assert record["cause"] == "refused", how
        assert re.search(complaint, record["evidence"]), how
        assert state(daemon) == before, how
        assert way(server, client) == wan_address(2), how
        with open_socket(lab, "client") as other:
            assert way(server, other) == wan_address(2), how
        before["flows"] = pins(daemon)
    assert metrics(daemon)["wanhelm_config_reload_failures_total"] == len(WRONG)


@pytest.mark.parametrize("by", ["command", "signal"])
def test_applied(lab, server, by):
    """Another order: new flows go by it from the next packet on, and old ones stay where they are."""
    daemon = start(lab, "{prefer: [fiber, lte]}")
    old = open_socket(lab, "client")
    assert way(server, old) == wan_address(1)
    old_pins = pins(daemon)
    assert len(old_pins) == 1
    daemon.config.write_text(config("{prefer: [lte, fiber]}"))
    if by == "command":
        assert daemon.cli("reload").stdout.strip() == "reloaded"
    else:
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.wait_event("reload")["cause"] == "applied"
    assert way(server, open_socket(lab, "client")) == wan_address(2)
    assert way(server, old) == wan_address(1)
    assert old_pins.items() <= pins(daemon).items()
    assert metrics(daemon)["wanhelm_config_reloads_total"] == 1


def test_reload_of_the_same_changes_nothing(lab, server):
    daemon = start(lab, "{balance: {fiber: 1, lte: 1}}")
    way(server, open_socket(lab, "client"))
    before = state(daemon)
    daemon.cli("reload")
    assert state(daemon) == before


def test_wan_taken_out_and_put_back(lab, server):
    """A WAN that is no longer configured carries nothing; its flows move. Put back, it has the same number."""
    daemon = start(lab, "{prefer: [fiber, lte]}")
    client = open_socket(lab, "client")
    assert way(server, client) == wan_address(1)
    numbers = {wan["name"]: wan["index"] for wan in daemon.status()["wans"]}
    whole = config("{prefer: [fiber, lte]}")
    daemon.config.write_text(whole.replace("  fiber: {device: wan1}\n", "").replace("[fiber, lte]", "[lte]"))
    daemon.cli("reload")
    assert way(server, client) == wan_address(2)
    assert [wan["name"] for wan in daemon.status()["wans"]] == ["lte"]
    daemon.config.write_text(whole)
    daemon.cli("reload")
    wait_up(daemon)
    assert {wan["name"]: wan["index"] for wan in daemon.status()["wans"]}["lte"] == numbers["lte"]
    assert way(server, open_socket(lab, "client")) == wan_address(1)
    assert is_silent(server, 0.05)


# --- metrics -----------------------------------------------------------------------------------------------------

SAMPLE = re.compile(r'([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (NaN|-?[0-9.]+(?:e[+-]?[0-9]+)?)')


def metrics(daemon):
    """Sample → value; anything that OpenMetrics does not allow is an AssertionError."""
    text = daemon.cli("metrics").stdout
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    types, samples, family = {}, {}, None
    for line in text.split("\n")[:-2]:
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            assert kind in ("TYPE", "UNIT", "HELP")
            if kind == "TYPE":
                assert name not in types, f"{name}: twice, or not in one piece"
                types[name], family = rest, name
            assert name == family
            if kind == "UNIT":
                assert name.endswith(f"_{rest}")
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line}"
        name, labels, value = match.groups()
        assert name == family + {"counter": "_total", "info": "_info"}.get(types[family], "")
        assert name + (labels or "") not in samples, f"twice: {line}"
        samples[name + (labels or "")] = float(value)
    return samples


def test_metrics(lab, server):
    daemon = start(lab, "{prefer: [fiber, lte]}")
    before = metrics(daemon)
    assert before['wanhelm_wan_state{wan="fiber",state="up"}'] == 1
    states = [value for name, value in before.items() if name.startswith('wanhelm_wan_state{wan="fiber"')]
    assert sum(states) == 1 and len(states) == 9
    client = open_socket(lab, "client")
    for _ in range(50):
        client.sendto(b"x" * 1000, (SERVER, PORT))
        _, seen = server.recvfrom(2000)
        server.sendto(b"y" * 500, seen)
        client.recv(2000)
    client.sendto(b"dying", ("10.77.0.1", 9))  # not ours: counted as the kernel's
    after = metrics(daemon)
    assert after.keys() == before.keys()
    grown = {name: after[name] - before[name] for name in after if name.endswith("_total") or "_total{" in name}
    assert all(growth >= 0 for growth in grown.values())
    assert grown['wanhelm_wan_transmit_bytes_total{wan="fiber"}'] >= 50 * 1028
    assert grown['wanhelm_wan_receive_bytes_total{wan="fiber"}'] >= 50 * 528
    assert grown['wanhelm_kernel_packets_total{reason="kernel-route"}'] >= 1
    assert grown['wanhelm_wan_transmit_bytes_total{wan="lte"}'] < 50 * 1028
    daemon.cli("wan", "down", "fiber")
    wait_for(lambda: metrics(daemon)["wanhelm_flips_total"] > after["wanhelm_flips_total"], what="the flip's count")
    assert metrics(daemon)['wanhelm_wan_state{wan="fiber",state="forced-down"}'] == 1
    wait_for(lambda: metrics(daemon)['wanhelm_wan_flows{wan="lte"}'] >= 0, what="the count of flows")
