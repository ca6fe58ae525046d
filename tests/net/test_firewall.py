# SPDX-License-Identifier: GPL-2.0
"""
firewall: kernel. The kernel's own default route is always by wan1 here, so that a class that prefers `lte` shows what
the kernel's chains never chose; what leaves is looked at behind the router. The other modes are
test_firewall_modes.py's, rulesets as people have them test_rulesets.py's.
"""

import contextlib
import itertools
import re
import time

import pytest

from inside import open_socket
from lab import FAMILIES, V4, V6, account, wait_for
from steering import drops, tcp_session, udp_stream
from ways import (
    BARRED_HOST, BARRED_PORT, EXCHANGES, NAMES, OUR_TABLE, RECHECK_S, SERVICE, STATEFUL, bars, begin,
    count_forwarded, counters, echo, fails, hops, remove_rules, settle, shown_again, tables, tcp, udp,
)

LAB = {"wans": 2, "options": ["--no-offload"]}

pytestmark = pytest.mark.usefixtures("rules")

PORTS = range(20000, 32000)  # of translation, by default

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)
wans = pytest.mark.parametrize("wan", NAMES, ids=NAMES.get)


# --- what is accepted is carried past the kernel ------------------------------------------------------------------


@wans
def test_first_packets_only_pass_the_kernel(lab, ways, wan):
    daemon = begin(lab, wan)
    for ip, (kind, exchange) in itertools.product(FAMILIES, EXCHANGES.items()):
        remove_rules(lab)
        count_forwarded(lab)
        ways.forget()
        assert exchange(lab, ip, times=20) == ip.wan(wan)
        assert counters(lab) == {"up": 1, "down": 0}, (str(ip), kind)
        carried = ways.up(dst=ip.server)
        assert len(carried) >= 20
        assert {(seen.wan, seen.ip.src, hops(seen.ip)) for seen in carried} == {(wan, ip.wan(wan), 63)}
    assert not any(count for reason, count in drops(daemon).items() if reason != "no-neighbour")


@families
def test_a_refused_packet_of_a_flow_does_not_open_it(lab, ways, ip):
    """While a flow is not accepted, each of its packets is shown; nothing of it holds a port."""
    lab.nft("router", "table inet t { chain f { type filter hook forward priority 0; iifname lan0 counter drop; }; }")
    daemon = begin(lab, 2)
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as sock:
        for _ in range(5):
            sock.sendto(b"?", (ip.server, SERVICE))
    wait_for(lambda: "packets 5" in lab.run("router", "nft", "list", "table", "inet", "t").stdout, 3, "5 drops")
    assert ways.up(dst=ip.server) == []
    assert daemon.json("flows", "--count")["flows"] == 0


# --- what the firewall drops, stays dropped ----------------------------------------------------------------------


def assert_barred(lab, ways, ip, wan):
    ways.forget()
    for kind, exchange in EXCHANGES.items():
        assert fails(exchange, lab, ip, to=ip.server_at(BARRED_HOST)), kind
        assert fails(exchange, lab, ip, part="client2"), kind
    for exchange in (udp, tcp):
        assert fails(exchange, lab, ip, port=BARRED_PORT)
    assert ways.up(dst=ip.server_at(BARRED_HOST)) == []
    assert ways.up(dst=ip.server) == []
    for exchange in EXCHANGES.values():
        assert exchange(lab, ip) == ip.wan(wan)
    assert {seen.wan for seen in ways.up(dst=ip.server)} == {wan}


@wans
def test_dropped_whichever_wan_is_active(lab, ways, wan):
    lab.nft("router", bars())
    daemon = begin(lab, wan)
    for ip in FAMILIES:
        assert_barred(lab, ways, ip, wan)
    lab.break_wan(wan, "blackhole")
    daemon.wait_states(**{NAMES[wan]: "down"})
    for ip in FAMILIES:
        assert_barred(lab, ways, ip, 3 - wan)


@wans
def test_old_flows_are_shown_again_after_a_change(lab, ways, wan):
    """Those that the new ruleset drops end, and the others do not notice."""
    daemon = begin(lab, wan)
    for ip in FAMILIES:
        lab.spawn("inet", "udp-server", "--bind", ip.server, "--port", BARRED_PORT)
        lab.servers("udp", "tcp", ip=ip)
    barred = [barred_stream(lab, ip) for ip in FAMILIES]
    allowed = [udp_stream(lab, "--rate", 50, ip=ip) for ip in FAMILIES]
    other = [udp_stream(lab, "--rate", 50, ip=ip, part="client2") for ip in FAMILIES]
    sessions = [tcp_session(lab, "--to", ip.server) for ip in FAMILIES]
    lab.nft("router", bars())
    for stream in barred + other:
        wait_for(lambda one=stream: is_cut(one), 2 * RECHECK_S, f"{stream.name} to be cut", 0.1)
    ways.forget()
    settle(lab, lambda: False, 0.5)
    assert ways.up(dport=BARRED_PORT) == []
    assert {seen.wan for seen in ways.up(dport=7)} == {wan}
    assert [account.lost(stream.stop()) for stream in allowed] == [[], []]
    for session in sessions:
        assert [record["event"] for record in session.stop() if record["event"] != "echo"] == ["connected"]
    remove_rules(lab)
    for ip, stream in zip(FAMILIES, barred):
        wait_for(lambda one=stream: not is_cut(one), 2 * RECHECK_S, f"{stream.name} to go on", 0.1)
        assert udp(lab, ip, port=BARRED_PORT + 1) == ip.wan(wan)
    assert daemon.running()


def barred_stream(lab, ip):
    return udp_stream(lab, "--to", ip.server, "--port", BARRED_PORT, "--rate", 50)


def is_cut(stream):
    """Nothing was echoed for half a second."""
    return time.monotonic_ns() - account.echoes(stream.records())[-1]["echoed_ns"] > 5e8


def test_sessions_outlive_unrelated_changes(lab):
    """Also under rules that drop what conntrack calls invalid, and while its entry of the SYN is still there."""
    lab.nft("router", STATEFUL)
    daemon = begin(lab, 2)
    for ip in FAMILIES:
        lab.servers("tcp", ip=ip)
    sessions = [tcp_session(lab, "--to", ip.server) for ip in FAMILIES]
    for change in ("unrelated", "another"):
        with shown_again(daemon):
            lab.nft("router", f"table inet {change} {{ chain c {{ counter; }}; }}")
        for session in sessions:
            now = len(session.records())
            wait_for(lambda one=session, n=now: len(one.records()) > n + 20, 10, "the session to go on", 0.1)
    for session in sessions:
        assert [record["event"] for record in session.stop() if record["event"] != "echo"] == ["connected"]


@families
def test_rejected_by_the_kernel(lab, ways, ip):
    """The user's own answer is what the client hears."""
    lab.nft("router", bars("reject with icmpx admin-prohibited"))
    begin(lab, 2)
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as sock:
        sock.connect((ip.server, BARRED_PORT))
        sock.send(b"?")
        with pytest.raises(OSError) as refused:
            sock.recv(10)
    assert not isinstance(refused.value, TimeoutError)
    assert ways.up(dst=ip.server) == []


# --- flush ruleset -----------------------------------------------------------------------------------------------


@families
def test_flush_ruleset_under_traffic(lab, ways, ip):
    """Our table is put back, streams go on, and nothing leaves untranslated meanwhile."""
    nat = "table inet nat { chain p { type nat hook postrouting priority 100; masquerade; }; }"
    lab.nft("router", f"{STATEFUL}\n{nat}")
    begin(lab, 2)
    lab.servers("udp", "tcp", "dns", ip=ip)
    stream = udp_stream(lab, "--rate", 500, ip=ip)
    session = lab.client("tcp", "--duration", 60, "--give-up", 50, ip=ip)
    asking = lab.client("dns", "--duration", 60, "--rate", 20, "--timeout", 0.5, ip=ip)
    wait_for(lambda: account.events(session.records(), "echo"), 5, "the session")
    wait_for(lambda: account.first_by(asking.records(), ip.wan(2), 0), 5, "a first answer")
    for _ in range(3):
        lab.run("router", "nft", "flush", "ruleset")
        wait_for(lambda: OUR_TABLE in tables(lab), 2, "our table to be back")
        assert udp(lab, ip) == ip.wan(2)
    assert account.lost(stream.stop()) == []
    assert account.failed(asking.stop()) == []
    assert [r["event"] for r in session.stop() if r["event"] != "echo"] == ["connected"]
    assert {seen.ip.src for seen in ways.up() if ip.is_inside(seen.ip.src)} == set()


def test_our_table_is_put_back_when_it_alone_is_taken(lab):
    begin(lab, 2)
    before = lab.run("router", "nft", "list", "table", *OUR_TABLE.split()).stdout
    lab.run("router", "nft", "delete", "table", *OUR_TABLE.split())
    wait_for(lambda: OUR_TABLE in tables(lab), 2, "our table to be back")
    assert lab.run("router", "nft", "list", "table", *OUR_TABLE.split()).stdout == before
    lab.daemon.cli("stop")
    assert OUR_TABLE not in tables(lab)


# --- the user's masquerade ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [100, 99, 0, -100, "srcnat"])
def test_masquerade_at_any_priority(lab, ways, priority):
    """The user's masquerade would give the source of wan1: ours is seen, with a port of ours, each flow once."""
    for ip in FAMILIES:
        lab.nft("router", f"""
            table {ip.nft} user {{
                chain post {{ type nat hook postrouting priority {priority}; oifname "wan*" counter masquerade; }}
            }}""")
    begin(lab, 2)
    ways.forget()
    for ip in FAMILIES:
        for exchange in EXCHANGES.values():
            assert exchange(lab, ip) == ip.wan(2)
        left = ways.up(dst=ip.server)
        assert {(seen.wan, seen.ip.src) for seen in left} == {(2, ip.wan(2))}
        assert all(seen.ip.sport in PORTS for seen in left if "sport" in seen.ip.payload.fields)


@families
def test_masquerade_is_still_the_kernels_without_us(lab, ways, ip):
    """What the test above would see if our table did not stand before the user's."""
    lab.nft("router", f"table {ip.nft} user {{ chain p {{ type nat hook postrouting priority 100; masquerade; }}; }}")
    begin(lab, 2)
    lab.daemon.cli("stop")
    assert udp(lab, ip) == ip.wan(1)
    assert ways.of(dst=ip.server) == {(1, ip.wan(1))}


# --- the kernel's own default WAN is dead ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["blackhole", "dead", "carrier"])
def test_new_flows_while_the_kernels_default_is_dead(lab, ways, fault):
    daemon = begin(lab, 1)
    neighbours = permanent(lab)
    for ip in FAMILIES:
        assert udp(lab, ip) == ip.wan(1)
    lab.break_wan(1, fault)
    daemon.wait_states(fiber="absent" if fault == "carrier" else "down")
    lab.run("router", "ip", "neigh", "flush", "dev", "wan1")  # what time would do
    ways.forget()
    for ip in FAMILIES:
        for kind, exchange in EXCHANGES.items():
            for _ in range(5):
                assert exchange(lab, ip) == ip.wan(2), kind
        assert {seen.wan for seen in ways.up(dst=ip.server)} == {2}
    lab.heal(1)
    daemon.wait_states(fiber="up")
    wait_for(lambda: permanent(lab) == neighbours, 10, "the neighbours to be the kernel's again")
    for ip in FAMILIES:
        wait_for(lambda ip=ip: udp(lab, ip) == ip.wan(1), 5, "new flows to go by fiber again")


def permanent(lab):
    return sorted(lab.ip("router", "neigh", "show", "nud", "permanent").splitlines())


def test_a_neighbour_that_the_user_pinned_stays(lab):
    entry = "198.18.1.1", "lladdr", lab_mac(lab), "dev", "wan1", "nud", "permanent"
    lab.ip("router", "neigh", "replace", *entry)
    try:
        daemon = begin(lab, 1)
        lab.break_wan(1, "dead")
        daemon.wait_states(fiber="down")
        assert udp(lab, V4) == V4.wan(2)
        lab.heal(1)
        daemon.wait_states(fiber="up")
        daemon.cli("stop")
        assert any(line.startswith("198.18.1.1 ") for line in permanent(lab))
    finally:
        lab.ip("router", "neigh", "delete", "198.18.1.1", "dev", "wan1")


def lab_mac(lab):
    return re.search(r"link/ether (\S+)", lab.ip("isp1", "link", "show", "cust0"))[1]


# --- no default route --------------------------------------------------------------------------------------------

GATEWAYS = """
lan: [lan0]
firewall: kernel
wans:
  fiber: {device: wan1, gateway: [198.18.1.1, "fe80::1"]}
  lte: {device: wan2, gateway: [198.18.2.1, "fe80::1"]}
probes:
  default:
    targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]
"""


@families
def test_no_default_route_is_told(lab, ip):
    daemon = lab.start_daemon(GATEWAYS)
    daemon.wait_states(fiber="up", lte="up")
    assert udp(lab, ip) == ip.wan(1)
    assert daemon.events("no-kernel-route") == []
    try:
        for number in (1, 2):
            lab.ip("router", "route", "delete", ip.default, "dev", f"wan{number}")
        daemon.wait_event("no-kernel-route")
        assert fails(udp, lab, ip)
        other = V6 if ip is V4 else V4
        assert udp(lab, other) == other.wan(1)
    finally:
        lab.heal()
    wait_for(lambda: not fails(udp, lab, ip), 5, "new flows to pass again")


# --- the end -----------------------------------------------------------------------------------------------------


def test_echo_of_the_router_is_not_shown(lab):
    """What the prober sends never meets the user's chains."""
    lab.nft("router", """
        table inet closed {
            chain o { type filter hook output priority 0; policy drop; icmpv6 type { 133, 134, 135, 136 } accept; }
            chain i { type filter hook input priority 0; policy drop; icmpv6 type { 133, 134, 135, 136 } accept; }
        }""")
    begin(lab, 2)
    for ip in FAMILIES:
        assert echo(lab, ip) == ip.wan(2)
