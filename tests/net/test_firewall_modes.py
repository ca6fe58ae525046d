# SPDX-License-Identifier: GPL-2.0
"""
firewall: kernel, untracked and bypass, from where the user's rules stand: what conntrack keeps, which packets the
chains see, and what the mark tells them.
"""

import itertools
import re

import pytest

from lab import FAMILIES, V4, account, wait_for
from steering import tcp_session, udp_stream
from ways import (
    BARRED_HOST, BARRED_PORT, EXCHANGES, NAMES, SERVICE, SHORT_S, STATEFUL, bars, begin, count_forwarded, counters,
    fails, generation, settle, tracked, udp,
)

LAB = {"wans": 2, "options": ["--no-offload"]}

pytestmark = pytest.mark.usefixtures("rules")

wans = pytest.mark.parametrize("wan", NAMES, ids=NAMES.get)


# --- conntrack ---------------------------------------------------------------------------------------------------


def test_conntrack_forgets_soon(lab):
    """Its entry of a flow that the fast path took over is neither long-lived nor refreshed."""
    lab.run("router", "conntrack", "--flush")
    begin(lab, 2)
    for ip in FAMILIES:
        lab.servers("udp", "tcp", ip=ip)
    streams = [udp_stream(lab, "--rate", 50, ip=ip) for ip in FAMILIES]
    sessions = [tcp_session(lab, "--to", ip.server) for ip in FAMILIES]
    for ip in FAMILIES:
        entries = tracked(lab, ip, 7)
        assert {entry.split()[0] for entry in entries} == {"udp", "tcp"} and len(entries) == 2
        assert all(int(re.search(r"^\S+\s+\d+ (\d+)", entry)[1]) <= SHORT_S for entry in entries)
    for ip in FAMILIES:
        wait_for(lambda ip=ip: not tracked(lab, ip, 7), SHORT_S + 5, "conntrack to forget", 0.2)
    assert [account.lost(stream.stop()) for stream in streams] == [[], []]
    for session in sessions:
        assert [record["event"] for record in session.stop() if record["event"] != "echo"] == ["connected"]


# --- untracked, bypass -------------------------------------------------------------------------------------------


@wans
def test_untracked(lab, ways, wan):
    """conntrack never hears of it; what accepts only what is new drops it."""
    lab.nft("router", """
        table inet counting {
            counter untracked {}
            counter up {}
            chain f { type filter hook forward priority 10;
                iifname lan0 counter name up
                iifname lan0 ct state untracked counter name untracked
            }
        }
        table inet nat { chain p { type nat hook postrouting priority 100; masquerade; }; }""")
    lab.run("router", "conntrack", "--flush")
    begin(lab, wan, "untracked")
    ways.forget()
    for ip, (kind, exchange) in itertools.product(FAMILIES, EXCHANGES.items()):
        assert exchange(lab, ip, times=5) == ip.wan(wan), (str(ip), kind)
    assert counters(lab) == {"untracked": 6, "up": 6}
    for ip in FAMILIES:
        assert tracked(lab, ip, SERVICE) == []
        assert ways.of(dst=ip.server) == {(wan, ip.wan(wan))}
    lab.nft("router", STATEFUL)
    assert all(fails(udp, lab, ip) for ip in FAMILIES)


@wans
def test_bypass(lab, ways, wan):
    """The forward chain is not asked."""
    count_forwarded(lab)
    lab.nft("router", "table inet closed { chain f { type filter hook forward priority 0; policy drop; }; }")
    begin(lab, wan, "bypass")
    ways.forget()
    for ip, (kind, exchange) in itertools.product(FAMILIES, EXCHANGES.items()):
        assert exchange(lab, ip, times=5) == ip.wan(wan), (str(ip), kind)
    assert counters(lab) == {"up": 0, "down": 0}
    for ip in FAMILIES:
        assert ways.of(dst=ip.server) == {(wan, ip.wan(wan))}


def test_recheck_off(lab):
    """Accepted once is accepted for good."""
    daemon = begin(lab, 2, more="firewall-recheck: off\n")
    lab.spawn("inet", "udp-server", "--bind", V4.server, "--port", BARRED_PORT)
    stream = udp_stream(lab, "--to", V4.server, "--port", BARRED_PORT, "--rate", 200)
    before = generation(daemon)
    lab.nft("router", bars())
    assert fails(udp, lab, V4, to=V4.server_at(BARRED_HOST))
    settle(lab, lambda: generation(daemon) != before, 1)
    assert generation(daemon) == before
    assert account.lost(stream.stop()) == []


# --- the mark ----------------------------------------------------------------------------------------------------

MARKED = """
table inet counting {
	counter forward1 {}
	counter forward2 {}
	counter post1 {}
	counter post2 {}
	chain forward {
		type filter hook forward priority 10;
		meta mark & %(mask)s == %(wan1)s counter name forward1
		meta mark & %(mask)s == %(wan2)s counter name forward2
	}
	chain post {
		type filter hook postrouting priority 10;
		meta mark & %(mask)s == %(wan1)s counter name post1
		meta mark & %(mask)s == %(wan2)s counter name post2
	}
}
"""


@pytest.mark.parametrize(
    "more, mask, value, unit",
    [
        ("", 0xFF000000, 0x57000000, 0x01000000),
        ("mark: {value: 0x20, mask: 0xff0}\n", 0xFF0, 0x20, 0x10),
    ],
    ids=["default", "configured"],
)
@wans
def test_the_chosen_wan_stands_in_the_mark(lab, wan, more, mask, value, unit):
    """value + 1 + the WAN's number, in units of the mask's lowest bit."""
    marks = {"mask": hex(mask), "wan1": hex(value + unit), "wan2": hex(value + 2 * unit)}
    lab.nft("router", MARKED % marks)
    begin(lab, wan, more=more)
    for ip in FAMILIES:
        for exchange in EXCHANGES.values():
            assert exchange(lab, ip) == ip.wan(wan)
    rest = 3 - wan
    assert counters(lab) == {f"forward{wan}": 6, f"post{wan}": 6, f"forward{rest}": 0, f"post{rest}": 0}


def test_a_rule_on_the_chosen_wan(lab, ways):
    """The documented way to keep something off a WAN."""
    lab.nft("router", """
        table inet user { chain f { type filter hook forward priority 0;
            meta mark & 0xff000000 == 0x59000000 udp dport 9099 drop; }; }""")
    daemon = begin(lab, 2)
    for ip in FAMILIES:
        assert fails(udp, lab, ip, port=BARRED_PORT)
        assert udp(lab, ip) == ip.wan(2)
    daemon.cli("wan", "down", "lte", "--yes")
    daemon.wait_states(lte="forced-down")
    for ip in FAMILIES:
        assert udp(lab, ip, port=BARRED_PORT) == ip.wan(1)
    assert {seen.wan for seen in ways.up(dport=BARRED_PORT)} == {1}


@pytest.mark.parametrize("hook, priority", [("prerouting", -150), ("forward", -150), ("postrouting", -150)])
@pytest.mark.parametrize("how", ["mark | 0x1", "0x1"], ids=["its own bits", "the whole mark"])
def test_the_users_own_marks(lab, ways, how, hook, priority):
    """As for a queueing discipline; those who set the whole mark, not only bits of it, mean no harm."""
    lab.nft("router", f"""
        table inet user {{ chain c {{ type filter hook {hook} priority {priority};
            iifname lan0 meta mark set {how.replace("mark", "meta mark")}; }}; }}""")
    begin(lab, 2)
    ways.forget()
    for ip, (kind, exchange) in itertools.product(FAMILIES, EXCHANGES.items()):
        assert exchange(lab, ip, times=3) == ip.wan(2), (str(ip), kind)
    for ip in FAMILIES:
        assert ways.of(dst=ip.server) == {(2, ip.wan(2))}
