# SPDX-License-Identifier: GPL-2.0
"""
Sessions from outside: services on the router, port forwards by the kernel's DNAT, and hosts behind WANs that do not
translate. Answers leave by the WAN that the question came by and with the address that was asked, without any policy
routing; the kernel's own default route is by wan1, and so is the classes' preference.
"""

import contextlib
import os
import socket

import pytest

from inside import listen, open_socket
from lab import FAMILIES, V4, Lab
from steering import config, flows, running, wait_up
from ways import EXCHANGES, NAMES, STATEFUL, Ways, fails, remove_rules, say_both_ways, udp

LAB = {"wans": 2}

pytestmark = pytest.mark.usefixtures("rules")

SERVICE, INSIDE = 9200, 9280
CALLER = 9  # the server's number that calls from outside
BULK = 1 << 20

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)
wans = pytest.mark.parametrize("wan", NAMES, ids=NAMES.get)


@pytest.fixture
def lab(kept_lab):
    return kept_lab


@pytest.fixture
def opened(lab):
    """opened("inet", bind=…): sockets that are closed afterwards"""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(open_socket(lab, *args, **kwargs))


def begin(lab):
    return running(lab, "{prefer: [fiber, lte]}")


def assert_answered_by(ways, ip, number, caller=None, source=None):
    """All that went back to the caller's socket; without one, to its address."""
    port = {"dport": caller.getsockname()[1]} if caller else {}
    assert ways.of(dst=ip.server_at(CALLER), **port) == {(number, source or ip.wan(number))}


def call(lab, opened, ip, listening, to, port=0):
    """A session from outside; both ends, and whom the one inside sees."""
    caller = opened("inet", socket.SOCK_STREAM, bind=(ip.server_at(CALLER), port))
    caller.connect(to)
    listening.settimeout(2)
    answering, seen = listening.accept()
    answering.settimeout(2)
    return caller, answering, seen[0]


def transfer(sender, receiver, size=BULK):
    noise, heard = os.urandom(size), b""
    sender.settimeout(5)
    for start_at in range(0, size, 1 << 14):
        sender.sendall(noise[start_at : start_at + (1 << 14)])
        while len(heard) < start_at + (1 << 14):
            heard += receiver.recv(1 << 16)
    assert heard == noise


# --- services on the router --------------------------------------------------------------------------------------


@families
@wans
def test_tcp_service(lab, ways, opened, ip, wan):
    begin(lab)
    with contextlib.closing(listen(lab, "router", (ip.any, SERVICE))) as listening:
        caller, answering, seen = call(lab, opened, ip, listening, (ip.wan(wan), SERVICE))
        assert seen == ip.server_at(CALLER)
        say_both_ways(caller, answering)
        transfer(answering, caller)
        answering.close()
        assert caller.recv(10) == b""
    assert_answered_by(ways, ip, wan, caller)


@families
@wans
def test_udp_service_on_a_wildcard_socket(lab, ways, opened, ip, wan):
    """It lets the kernel choose the source, which would be that of the kernel's default route."""
    begin(lab)
    service = opened("router", bind=(ip.any, SERVICE))
    caller = opened("inet", bind=(ip.server_at(CALLER), 0))
    caller.connect((ip.wan(wan), SERVICE))
    for number in range(5):
        caller.send(b"question %d" % number)
        _, seen = service.recvfrom(100)
        for part in (b"answer", b"and more"):
            service.sendto(part, seen)
            assert caller.recv(100) == part
    assert_answered_by(ways, ip, wan, caller)


@families
@wans
def test_echo(lab, ways, ip, wan):
    begin(lab)
    lab.run("inet", "ping", "-c", 3, "-i", 0.01, "-W", 1, "-I", ip.server_at(CALLER), ip.wan(wan))
    assert_answered_by(ways, ip, wan)


@families
def test_both_wans_at_once_from_one_port(lab, ways, opened, ip):
    begin(lab)
    with contextlib.closing(listen(lab, "router", (ip.any, SERVICE))) as listening:
        ends = [call(lab, opened, ip, listening, (ip.wan(number), SERVICE), 33000 + number) for number in NAMES]
        for _ in range(3):
            for caller, answering, _ in ends:
                say_both_ways(caller, answering)
    for number in NAMES:
        told = ways.up(dst=ip.server_at(CALLER), dport=33000 + number)
        assert {(seen.wan, seen.ip.src) for seen in told} == {(number, ip.wan(number))}


@families
def test_a_closed_port_is_refused_by_the_kernel(lab, ways, opened, ip):
    begin(lab)
    caller = opened("inet", socket.SOCK_STREAM, bind=(ip.server_at(CALLER), 0))
    with pytest.raises(ConnectionRefusedError):
        caller.connect((ip.wan(2), SERVICE + 1))
    assert_answered_by(ways, ip, 2, caller)


# --- port forwards -----------------------------------------------------------------------------------------------


def forward(ip):
    """As UPnP and people make them."""
    return f"""
        table {ip.nft} forwards {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                iifname "wan*" meta l4proto {{ tcp, udp }} th dport {SERVICE} dnat to {with_port(ip.client, INSIDE)}
            }}
        }}"""


def with_port(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def open_for_forwards():
    """A closed router that lets forwards in."""
    new = "iifname lan0 ct state new accept"
    return STATEFUL.replace(new, f"{new}; ct status dnat accept")


@pytest.fixture(params=["before", "while running"])
def forwarding(request, lab):
    """forwarding(rules): the controller runs and the rules are there, made before it or after."""

    def make(text):
        if request.param == "before":
            lab.nft("router", text)
            return begin(lab)
        daemon = begin(lab)
        lab.nft("router", text)
        return daemon

    return make


@families
@wans
@pytest.mark.parametrize("closed", [False, True], ids=["open", "policy drop"])
def test_tcp_forward(lab, ways, opened, forwarding, ip, wan, closed):
    forwarding(forward(ip) + (open_for_forwards() if closed else ""))
    with contextlib.closing(listen(lab, "client", (ip.client, INSIDE))) as listening:
        caller, answering, seen = call(lab, opened, ip, listening, (ip.wan(wan), SERVICE))
        assert seen == ip.server_at(CALLER)
        say_both_ways(caller, answering)
        transfer(answering, caller)
        transfer(caller, answering)
    assert_answered_by(ways, ip, wan, caller)
    assert {seen.ip.sport for seen in ways.up(dst=ip.server_at(CALLER))} == {SERVICE}


@families
@wans
def test_udp_forward(lab, ways, opened, forwarding, ip, wan):
    forwarding(forward(ip) + open_for_forwards())
    service = opened("client", bind=(ip.client, INSIDE))
    caller = opened("inet", bind=(ip.server_at(CALLER), 0))
    caller.connect((ip.wan(wan), SERVICE))
    for _ in range(5):
        caller.send(b"question")
        _, seen = service.recvfrom(100)
        assert seen[0] == ip.server_at(CALLER)
        service.sendto(b"answer", seen)
        assert caller.recv(100) == b"answer"
    assert_answered_by(ways, ip, wan, caller)


@families
def test_a_forward_stays_where_it_came_in(lab, ways, opened, ip):
    """Whatever the hand, the classes or a new ruleset say: never moved, never reset."""
    lab.nft("router", forward(ip))
    daemon = begin(lab)
    with contextlib.closing(listen(lab, "client", (ip.client, INSIDE))) as listening:
        caller, answering, _ = call(lab, opened, ip, listening, (ip.wan(2), SERVICE))
        for change in (
            lambda: daemon.cli("wan", "down", "lte", "--yes"),
            lambda: daemon.cli("wan", "auto", "lte"),
            lambda: lab.break_wan(1, "blackhole"),
            lambda: lab.heal(1),
            lambda: lab.nft("router", "table inet unrelated {}"),
        ):
            say_both_ways(caller, answering)
            change()
            say_both_ways(caller, answering)
    assert_answered_by(ways, ip, 2, caller)


@families
def test_a_forward_made_after_its_client_had_called_out(lab, ways, opened, ip):
    """From the port that is then forwarded to: the binding of the one does not stand in the way of the other."""
    begin(lab)
    service = opened("client", bind=(ip.client, INSIDE))
    server = opened("inet", bind=(ip.server, 9300))
    service.sendto(b"?", (ip.server, 9300))
    assert server.recvfrom(10)[1][0] == ip.wan(1)
    lab.nft("router", forward(ip))
    caller = opened("inet", bind=(ip.server_at(CALLER), 0))
    caller.connect((ip.wan(2), SERVICE))
    for _ in range(3):
        caller.send(b"question")
        service.sendto(b"answer", service.recvfrom(100)[1])
        assert caller.recv(100) == b"answer"
    assert_answered_by(ways, ip, 2, caller)
    service.sendto(b"!", (ip.server, 9300))
    assert server.recvfrom(10)[1][0] == ip.wan(1)


@families
def test_forwards_end_with_their_rule(lab, opened, ip):
    lab.nft("router", forward(ip))
    begin(lab)
    remove_rules(lab)
    service = opened("client", bind=(ip.client, INSIDE), timeout_s=0.3)
    caller = opened("inet", bind=(ip.server_at(CALLER), 0))
    caller.sendto(b"question", (ip.wan(2), SERVICE))
    with pytest.raises(TimeoutError):
        service.recvfrom(100)


@families
@wans
def test_sessions_from_outside_are_no_flows_of_ours_to_move(lab, ways, opened, ip, wan):
    """What is told of them, if anything, says that they stay."""
    lab.nft("router", forward(ip))
    daemon = begin(lab)
    with contextlib.closing(listen(lab, "client", (ip.client, INSIDE))) as listening:
        caller, answering, _ = call(lab, opened, ip, listening, (ip.wan(wan), SERVICE))
        say_both_ways(caller, answering)
        address, port = caller.getsockname()[:2]
        told = flows(daemon, proto="tcp", dst=address, dport=port)
        assert {flow["wan"] for flow in told} <= {NAMES[wan]}
    assert_answered_by(ways, ip, wan, caller)


# --- nat: none ---------------------------------------------------------------------------------------------------

# The client's own: in IPv4 the Internet knows the way to it, in IPv6 it is out of the prefix that wan2 delegates.
OWN = {4: V4.client, 6: "2001:db8:2:100::2"}
# The WAN that its own sessions go by: the class's choice, or in IPv6 the only one that the address belongs to.
OUTWARDS = {4: 1, 6: 2}


@pytest.fixture(scope="module")
def routed():
    options = ["--nat-none", "--inside6", "wan2", "--delegate"]
    with Lab(f"wh-inbound-routed-{os.getpid()}", options=options) as lab:
        text = config("{prefer: [fiber, lte]}", firewall="kernel")
        for device in ("wan1", "wan2"):
            text = text.replace(f"device: {device}", f"device: {device}, nat: none, nat6: none")
        daemon = lab.start_daemon(text)
        wait_up(daemon)
        lab.ip("inet", "route", "add", V4.host(V4.client), "via", "198.19.2.1")  # to call it, wan2 is preferred
        yield lab


@families
@pytest.mark.parametrize("kind", ["tcp", "udp", "echo"])
def test_hosts_without_translation(routed, ip, kind):
    """Called by wan2 they answer by wan2, although the classes and the kernel prefer wan1."""
    own = OWN[ip.version]
    with contextlib.ExitStack() as stack:
        ways = stack.enter_context(Ways(routed))
        if kind == "echo":
            routed.run("inet", "ping", "-c", 3, "-i", 0.01, "-W", 1, "-I", ip.server_at(CALLER), own)
        else:
            seen = EXCHANGES[kind](
                routed, ip, to=own, server="client", part="inet", bind=ip.server_at(CALLER), times=5
            )
            assert seen == ip.server_at(CALLER)
        assert_answered_by(ways, ip, 2, source=own)


@families
def test_their_own_sessions(routed, ip):
    with Ways(routed) as ways:
        for kind, exchange in EXCHANGES.items():
            assert exchange(routed, ip) == OWN[ip.version], kind
        assert ways.of(dst=ip.server) == {(OUTWARDS[ip.version], OWN[ip.version])}


@families
def test_firewall_keeps_strangers_out_of_hosts_without_translation(routed, ip):
    routed.nft("router", STATEFUL)
    try:
        assert fails(udp, routed, ip, to=OWN[ip.version], server="client", part="inet")
        assert udp(routed, ip) == OWN[ip.version]
    finally:
        remove_rules(routed)
