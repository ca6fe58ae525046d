# SPDX-License-Identifier: GPL-2.0
"""
wanhelm doctor in a real router, with and without what it looks for, and without a controller. What it makes of
rulesets in their many forms is tests/unit/test_doctor*.c's.
"""

import contextlib
import json

import pytest

from lab import BUILD
from steering import config

LAB = {"wans": 2}


@pytest.fixture
def doctor(lab):
    """Run it; returns its exit status, and what it finds by id, the worst first."""

    def run(text=config(firewall="kernel")):
        lab.daemon.config.write_text(text)
        done = lab.run("router", BUILD / "wanhelm", "doctor", "-c", lab.daemon.config, "--json", check=False)
        assert done.stderr == ""
        found = {}
        for finding in sorted(json.loads(done.stdout), key=lambda finding: finding["severity"] != "problem"):
            found.setdefault(finding["id"], finding)
        return done.returncode, found

    return run


@contextlib.contextmanager
def sysctl(lab, **values):
    """Names with two underscores for the points."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    before = {name: lab.run("router", "sysctl", "-n", name).stdout.strip() for name in names}
    lab.run("router", "sysctl", "-qw", *(f"{name}={value}" for name, value in names.items()))
    try:
        yield
    finally:
        lab.run("router", "sysctl", "-qw", *(f"{name}={value}" for name, value in before.items()))


@contextlib.contextmanager
def ruleset(lab, text):
    lab.nft("router", f"table inet users {{\n{text}\n}}\n")
    try:
        yield
    finally:
        lab.run("router", "nft", "delete table inet users")


def test_nothing_in_the_way(doctor):
    status, found = doctor()
    assert {name: finding["what"] for name, finding in found.items() if finding["severity"] != "ok"} == {}
    assert status == 0
    assert all(set(finding) == {"id", "severity", "what", "do"} for finding in found.values())


def test_problem_is_exit_1(lab, doctor):
    with sysctl(lab, net__ipv4__ip_forward=0):
        status, found = doctor()
    assert (status, found["forwarding"]["severity"]) == (1, "problem")
    assert "lan0, wan1, wan2" in found["forwarding"]["what"]
    assert "sysctl -w net.ipv4.ip_forward=1" in found["forwarding"]["do"]


def test_warning_is_exit_0(lab, doctor):
    with ruleset(lab, "chain f { type filter hook forward priority 0; oifname wan2 tcp dport 25 drop; }"):
        status, found = doctor()
    assert (status, found["device-rules"]["severity"]) == (0, "warning")


def test_strict_rp_filter(lab, doctor):
    with sysctl(lab, net__ipv4__conf__wan2__rp_filter=1, net__ipv4__conf__all__rp_filter=0):
        status, found = doctor()
    assert (status, found["rp-filter"]["severity"]) == (1, "problem")
    assert "wan2" in found["rp-filter"]["what"]


def test_no_default_route(lab, doctor):
    routes = lab.run("router", "ip", "route", "show", "default").stdout.splitlines()
    assert routes
    for route in routes:
        lab.run("router", "ip", "route", "del", *route.split())
    try:
        status, found = doctor()
        bypassed, without = doctor(config(firewall="bypass"))
    finally:
        for route in routes:
            lab.run("router", "ip", "route", "add", *route.split())
    assert (status, found["default-route"]["severity"]) == (1, "problem")
    assert (bypassed, without["default-route"]["severity"]) == (0, "ok")


def test_untracked(lab, doctor):
    accepted = "ct state established accept; ct state new accept;"
    with ruleset(lab, f"chain f {{ type filter hook forward priority 0; policy drop; {accepted} }}"):
        assert doctor()[1]["untracked"]["severity"] == "ok"
        status, found = doctor(config(firewall="untracked"))
    assert (status, found["untracked"]["severity"]) == (1, "problem")


def test_bridge_port_as_lan(doctor):
    """The lab's lan0 is a bridge, and port-client one of its ports."""
    status, found = doctor(config(firewall="kernel").replace("lan: [lan0]", "lan: [port-client]"))
    assert (status, found["bridge-port"]["severity"]) == (1, "problem")
    assert "port-client is a port of the bridge lan0" in found["bridge-port"]["what"]


def test_text(lab):
    lab.daemon.config.write_text(config(firewall="kernel"))
    with sysctl(lab, net__ipv4__ip_forward=0):
        done = lab.run("router", BUILD / "wanhelm", "doctor", "-c", lab.daemon.config, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["FOUND", "WHERE", "WHAT"]
    assert [line.split()[:2] for line in lines if "forward" in line][0] == ["problem", "forwarding"]
    assert any(line.split()[:1] == ["do:"] and "net.ipv4.ip_forward=1" in line for line in lines)
    assert max(map(len, lines)) < 125


def test_wrong_configuration(lab):
    lab.daemon.config.write_text("lan: [lan0]\nwan: {}\n")
    done = lab.run("router", BUILD / "wanhelm", "doctor", "-c", lab.daemon.config, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert ":2:1:" in done.stderr
