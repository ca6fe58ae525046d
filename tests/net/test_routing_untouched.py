# SPDX-License-Identifier: GPL-2.0
"""
Whatever happens, the router's rules, routes and nftables rulesets are those that they would be without wanhelm, but
for one table of our own: the same events, once without the controller and once with it, and at each step the same
tables to the byte. The router is one with a firewall that drops, policy routing and a strict reverse path filter.
"""

import difflib
import json
import re
import time

import pytest

from lab import LabError, account, wait_for
from steering import LTE, config, start, udp_stream, way_of

LAB = {"wans": 2}
RULESET = """
table inet users {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname { lo, lan0 } accept
		ct state established accept
		meta l4proto ipv6-icmp accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname lan0 ct state new accept
		tcp dport 25 counter drop
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "wan*" masquerade
	}
}
"""
OURS = re.compile(r"^table inet wanhelm \{.*?^\}\n", re.MULTILINE | re.DOTALL)
STEERED = ("start", "carrier", "carrier healed", "blackhole", "blackhole healed", "down by hand", "reload")
STRICT = ("net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.default.rp_filter=1")


@pytest.fixture(scope="module")
def router(module_lab):
    """A lab with a user's own settings in its router."""
    lab = module_lab
    lab.run("router", "sysctl", "-qw", *STRICT)
    rules = lab.folder / "rules.nft"
    rules.write_text(RULESET)
    lab.run("router", "nft", "-f", rules)
    lab.run("router", "ip", "rule", "add", "priority", 1000, "from", "10.77.0.3", "lookup", 100)
    lab.run("router", "ip", "route", "add", "default", "via", "198.18.2.1", "dev", "wan2", "table", 100)
    lab.run("router", "ip", "-6", "rule", "add", "priority", 1000, "from", "fd00:77::3", "lookup", 100)
    lab.run("router", "ip", "route", "add", "192.0.2.0/24", "via", "10.77.0.2")
    return lab


def settled(lab):
    """The tables, once the kernel has stopped changing them by itself."""

    def same_for_a_while():
        if lab.run("router", "ip", "-6", "address", "show", "tentative").stdout:
            return None
        first = lab.snapshot()
        time.sleep(0.2)
        return first if lab.snapshot() == first else None

    return wait_for(same_for_a_while, 10, "the tables to settle")


def is_up(lab, device):
    return json.loads(lab.run("router", "ip", "-j", "link", "show", device).stdout)[0]["operstate"] == "UP"


class Unsteered:
    """The control: what is waited for where no controller tells states."""

    def __init__(self, lab):
        self.lab = lab

    def wait_states(self, fiber):
        wait_for(lambda: is_up(self.lab, "wan1") == (fiber != "absent"), 5, f"wan1 to be {fiber}")

    def cli(self, *_):
        pass


def events(lab, begin):
    """The same events with a controller or without: step → tables. begin() → what is waited for."""
    seen = {"before": settled(lab)}
    daemon = begin()
    seen["start"] = settled(lab)
    for fault, state in (("carrier", "absent"), ("blackhole", "down")):
        lab.break_wan(1, fault)
        daemon.wait_states(fiber=state)
        seen[fault] = settled(lab)
        lab.heal(1)
        daemon.wait_states(fiber="up")
        seen[f"{fault} healed"] = settled(lab)
    daemon.cli("wan", "down", "fiber")
    seen["down by hand"] = settled(lab)
    if daemon is lab.daemon:
        lab.daemon.config.write_text(config("{balance: {fiber: 1, lte: 3}}"))
    daemon.cli("reload")
    seen["reload"] = settled(lab)
    daemon.cli("stop")
    seen["stop"] = settled(lab)
    return seen


def take_ours(steered):
    """At which steps our table is there; it is taken out of what is compared."""
    found = []
    for step, commands in steered.items():
        commands["nft list ruleset"], count = OURS.subn("", commands["nft list ruleset"])
        found += [step] * count
    return found


def difference(control, steered):
    """What differs at which step, for people."""
    lines = []
    for step, commands in control.items():
        for command, text in commands.items():
            now = steered[step][command]
            found = difflib.unified_diff(text.splitlines(), now.splitlines(), "without", "with", lineterm="", n=0)
            lines += [f"{step}: {command}: {line}" for line in found]
    return "\n".join(lines)


def test_tables_are_those_of_a_router_without_wanhelm(router, lab):
    control = events(router, lambda: Unsteered(router))
    assert control["before"] != control["carrier"], "the events were to show in the tables"
    assert control["before"] == control["stop"], "the events were to leave the router as it was"
    assert "table 100" in control["before"]["ip route show table all"]
    assert "fe80::/64 dev wan1" in control["before"]["ip -6 route show table all"]
    steered = events(router, lambda: start(router))
    assert steered.keys() == control.keys() and all(len(commands) == 5 for commands in control.values())
    assert take_ours(control) == [] and take_ours(steered) == list(STEERED), "once each, and gone with us"
    assert difference(control, steered) == ""


def test_the_prober_has_a_device_without_addresses_and_routes(router, lab):
    before = {link["ifname"] for link in json.loads(lab.run("router", "ip", "-j", "link").stdout)}
    daemon = start(router)
    shown = json.loads(lab.run("router", "ip", "-j", "address").stdout)
    own = [link for link in shown if link["ifname"] not in before]
    assert len(own) == 1 and own[0]["operstate"] == "UP"
    assert own[0]["addr_info"] == []
    off = lab.run("router", "sysctl", "-n", f"net.ipv6.conf.{own[0]['ifname']}.disable_ipv6")
    assert off.stdout.strip() == "1", "a link-local address would come by and by"
    for family in ("-4", "-6"):
        for what in (("route", "show", "table", "all"), ("neighbour", "show")):
            told = lab.run("router", "ip", family, *what, "dev", own[0]["ifname"], check=False)
            assert told.stdout == ""
    daemon.cli("stop")
    wait_for(
        lambda: {link["ifname"] for link in json.loads(lab.run("router", "ip", "-j", "link").stdout)} == before,
        5,
        "the device to go",
    )


def test_it_steers_on_such_a_router(router, lab):
    """And is not idle there: users' packets do change their WAN."""
    router.servers("udp")
    start(router)
    stream = udp_stream(router)
    lab.break_wan(1, "blackhole")
    wait_for(lambda: way_of(stream) == LTE, 5, "the stream to go by wan2")
    if not account.lost(stream.stop()):
        raise LabError("nothing was lost: the WAN was not broken")
