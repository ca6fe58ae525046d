# SPDX-License-Identifier: GPL-2.0
"""
The router's own traffic is steered and fails over like everybody's: its sockets know nothing of it, the kernel's route
points to the first WAN, everything prefers the second. Sockets bound to a device or to a WAN's address stay there.
"""

import contextlib
import json
import re
import socket
import time

import pytest

import programs
from inside import is_silent, open_socket
from lab import wait_for
from wire import FAMILIES, dial, exchange, of, serve, settings, start, wan_tap, whole

LAB = {"wans": 2}
LTE_FIRST = "{prefer: [lte, fiber]}"
FIBER, LTE = 1, 2


@pytest.fixture
def daemon(lab):
    return start(lab, settings(LTE_FIRST))


@pytest.fixture
def server(lab, family):
    with serve(lab, family) as sock:
        yield sock


def own_socket(lab, family, bind=None, device=None):
    sock = open_socket(lab, "router", family=family.af, bind=bind and (bind, 0))
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return sock


def way(sock, server):
    """There and back; the WAN whose address the server saw, and whether the answer came is asserted."""
    sock.sendto(b"?", server.getsockname()[:2])
    _, seen = server.recvfrom(100)
    server.sendto(b"!", seen)
    assert sock.recv(100) == b"!"
    return seen[:2]


@pytest.mark.parametrize("kind", ["connected", "not connected"])
def test_udp(lab, family, daemon, server, kind):
    """The socket of a resolver, say: by the WAN that the class prefers, at once by the other when that one fails."""
    sock = own_socket(lab, family)
    if kind == "connected":
        sock.connect(server.getsockname()[:2])
    assert way(sock, server)[0] == family.wan(LTE)
    assert len({way(sock, server) for _ in range(5)}) == 1
    daemon.cli("wan", "down", "lte", "--yes")
    assert way(sock, server)[0] == family.wan(FIBER)
    daemon.cli("wan", "auto", "lte")


def test_tcp(lab, family, daemon):
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
        ours, theirs, seen = dial(lab, family, listening, "router")
        assert seen[0] == family.wan(LTE)
        exchange(ours, theirs)
        before = time.monotonic()
        daemon.cli("wan", "down", "lte", "--yes")
        with pytest.raises(ConnectionResetError):
            ours.sendall(b"x")
            ours.recv(10)
        assert time.monotonic() - before < 2
        ours, theirs, seen = dial(lab, family, listening, "router")
        assert seen[0] == family.wan(FIBER)
        exchange(ours, theirs)


@pytest.mark.parametrize("fault", ["blackhole", "carrier"])
def test_its_own_default_wan_is_dead(lab, family, daemon, server, fault):
    """The kernel would send by the first WAN still."""
    lab.break_wan(FIBER, fault)
    daemon.wait_states(10, fiber="down" if fault == "blackhole" else "absent", lte="up")
    for _ in range(5):
        with contextlib.closing(own_socket(lab, family)) as sock:
            assert way(sock, server)[0] == family.wan(LTE)


def test_names(lab, family, daemon):
    with programs.dns(lab, family):
        asked = "dig", "-p", 5300, f"@{family.server}", "example.test", "+short", "+tries=1"
        assert lab.run("router", *asked).stdout.strip() == "192.0.2.7"
        assert lab.run("router", *asked, "+tcp").stdout.strip() == "192.0.2.7"
        daemon.cli("wan", "down", "lte", "--yes")
        assert lab.run("router", *asked).stdout.strip() == "192.0.2.7"


@pytest.mark.parametrize("option", [[], ["-R"]], ids=["up", "down"])
@pytest.mark.usefixtures("daemon")
def test_bulk(lab, family, option):
    with programs.perf(lab, family):
        shown = lab.run("router", "iperf3", "--json", "-t", 1, "-c", family.server, *option).stdout
    assert json.loads(shown)["end"]["sum_received"]["bytes"] > 1 << 20


@pytest.mark.usefixtures("daemon")
def test_ping_and_traceroute(lab, family):
    for part in ("isp1", "isp2", "inet"):
        lab.run(part, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    told = lab.run("router", "ping", f"-{family.version}", "-n", "-c", 3, "-i", 0.05, family.server).stdout
    assert " 0% packet loss" in told
    shown = lab.run("router", "traceroute", f"-{family.version}", "-n", "-q", 1, "-w", 2, family.server).stdout
    assert re.findall(r"^ *\d+ +(\S+)", shown, re.MULTILINE) == [family.provider(LTE), family.server], shown


@pytest.mark.usefixtures("daemon")
def test_refused(lab, family):
    """An error comes back to the socket that it is about."""
    sock = own_socket(lab, family)
    sock.connect((family.server, 9798))
    sock.send(b"?")
    with pytest.raises(ConnectionRefusedError):
        sock.recv(10)


@pytest.mark.usefixtures("daemon")
def test_checksums(lab, family, server):
    """What leaves is whole on the wire, moved from one device's way to another's as it is."""
    lab.run("router", "ethtool", "-K", "wan1", "tx", "off")
    lab.run("router", "ethtool", "-K", "wan2", "tx", "off")
    try:
        with wan_tap(lab, LTE) as wan, contextlib.closing(own_socket(lab, family)) as sock:
            way(sock, server)
            went = whole(wan.expect(of(family, dst=family.server)))
            assert went.src == family.wan(LTE)
            assert (went.ttl if family.is4 else went.hlim) == 64, "nobody has forwarded it"
    finally:
        lab.run("router", "ethtool", "-K", "wan1", "tx", "on")
        lab.run("router", "ethtool", "-K", "wan2", "tx", "on")


STRICT = """
table inet strict {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iifname lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
		iifname lan0 accept
	}
}
"""


def test_under_strict_rules(lab, family, server):
    """rp_filter 1 and an input policy that only takes answers: these come by the device that the question left by."""
    lab.run("router", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.wan1.rp_filter=1")
    lab.run("router", "nft", STRICT)
    try:
        daemon = start(lab, settings(LTE_FIRST))
        with contextlib.closing(own_socket(lab, family)) as sock:
            assert way(sock, server)[0] == family.wan(LTE)
            daemon.cli("wan", "down", "lte", "--yes")
            assert way(sock, server)[0] == family.wan(FIBER)
            daemon.cli("wan", "auto", "lte")
        with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
            ours, theirs, _ = dial(lab, family, listening, "router")
            exchange(ours, theirs)
    finally:
        lab.run("router", "nft", "delete", "table", "inet", "strict")
        lab.run("router", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.wan1.rp_filter=0")


# --- tunnels -----------------------------------------------------------------------------------------------------


def test_udp_tunnel_moves_at_once(lab, family, daemon):
    """A VPN from the router: what goes through it is back before anybody has noticed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(programs.tunnel(lab, family, "router"))
        fiber, lte = (stack.enter_context(wan_tap(lab, number)) for number in (FIBER, LTE))
        near = stack.enter_context(open_socket(lab, "router"))
        far = stack.enter_context(open_socket(lab, "inet", bind=("10.9.0.1", 9400)))
        near.sendto(b"before", ("10.9.0.1", 9400))
        assert far.recv(100) == b"before"
        lte.expect(lambda p: is_outer(p, family))
        fiber.silent(lambda p: is_outer(p, family), 0.1)
        lab.break_wan(LTE, "blackhole")
        began = time.monotonic()
        while is_silent(far, 0.01):
            near.sendto(b"after", ("10.9.0.1", 9400))
            assert time.monotonic() - began < 3, "the tunnel has not moved"
        fiber.expect(lambda p: is_outer(p, family))
        daemon.wait_states(5, lte="down")


def is_outer(packet, family):
    """One that carries the tunnel."""
    return isinstance(packet, family.layer) and packet.dst == family.server and packet.payload.name == "UDP"


# --- bound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [FIBER, LTE])
def test_bound_to_a_device(lab, family, server, number):
    """SO_BINDTODEVICE: by that one, whatever is preferred, and nowhere else when it is down."""
    daemon = start(lab, settings(LTE_FIRST if number == FIBER else "{prefer: [fiber, lte]}"))
    sock = own_socket(lab, family, device=f"wan{number}")
    assert way(sock, server)[0] == family.wan(number)
    stays(lab, family, daemon, sock, server, number)


@pytest.mark.parametrize("number", [FIBER, LTE])
def test_bound_to_an_address(lab, family, server, number):
    """Also to that of the WAN which is not the kernel's default: it leaves by its own."""
    daemon = start(lab, settings(LTE_FIRST if number == FIBER else "{prefer: [fiber, lte]}"))
    sock = own_socket(lab, family, bind=family.wan(number))
    with wan_tap(lab, number) as wan:
        assert way(sock, server)[0] == family.wan(number)
        wan.expect(of(family, src=family.wan(number), dst=family.server))
    stays(lab, family, daemon, sock, server, number)


def stays(lab, family, daemon, sock, server, number):
    """Its WAN is taken down: nothing of it is seen on the other."""
    name = "fiber" if number == FIBER else "lte"
    daemon.cli("wan", "down", name, "--yes")
    with wan_tap(lab, 3 - number) as other:
        with contextlib.suppress(OSError):
            sock.sendto(b"?", server.getsockname()[:2])
        other.silent(of(family, dst=family.server))
    daemon.cli("wan", "auto", name)
    wait_for(lambda: daemon.wan(name)["state"] == "up", 10, f"{name} to be up")


@pytest.mark.parametrize("number", [FIBER, LTE])
def test_bound_to_an_address_and_connected(lab, family, server, number):
    """That the address was asked for, and not chosen by the kernel, is known of a socket with one peer, too."""
    daemon = start(lab, settings(LTE_FIRST if number == FIBER else "{prefer: [fiber, lte]}"))
    sock = own_socket(lab, family, bind=family.wan(number))
    sock.connect(server.getsockname()[:2])
    assert way(sock, server)[0] == family.wan(number)
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
        ours = open_socket(lab, "router", socket.SOCK_STREAM, bind=(family.wan(number), 0))
        ours.connect(listening.getsockname()[:2])
        theirs, seen = listening.accept()
        assert seen[0] == family.wan(number)
        exchange(ours, theirs)
        stays(lab, family, daemon, sock, server, number)
        exchange(ours, theirs)


@pytest.mark.usefixtures("daemon")
def test_bound_to_a_mapped_address(lab):
    """A socket of IPv6 that speaks IPv4."""
    family = FAMILIES[0]
    with (
        contextlib.closing(open_socket(lab, "router", family=socket.AF_INET6)) as sock,
        serve(lab, family) as server,
    ):
        sock.bind((f"::ffff:{family.wan(FIBER)}", 0))
        sock.connect((f"::ffff:{family.server}", server.getsockname()[1]))
        sock.send(b"?")
        assert server.recvfrom(100)[1][0] == family.wan(FIBER)


@pytest.mark.usefixtures("daemon")
def test_bound_to_a_port_only(lab, family, server):
    """Then the kernel has chosen the address, and it is steered."""
    with contextlib.closing(open_socket(lab, "router", bind=(family.any, 40123))) as sock:
        sock.connect(server.getsockname()[:2])
        assert way(sock, server)[0] == family.wan(LTE)


@pytest.mark.usefixtures("daemon")
def test_bound_to_the_lans_address(lab, family, server):
    """That is nobody's on a WAN: steered and translated."""
    with contextlib.closing(own_socket(lab, family, bind=family.router)) as sock:
        assert way(sock, server)[0] == family.wan(LTE)


@pytest.mark.usefixtures("daemon")
def test_to_its_own_addresses(lab, family):
    """Between a program on the router and another one there, by whichever address, nothing is steered."""
    for address in (family.router, family.wan(FIBER), family.wan(LTE)):
        with open_socket(lab, "router", family=family.af, bind=(address, 9500)) as there:
            with contextlib.closing(own_socket(lab, family)) as sock:
                assert way(sock, there)[0] == address
        with open_socket(lab, "router", family=family.af, bind=(address, 9501)) as there:
            with open_socket(lab, "client", family=family.af) as sock:
                sock.sendto(b"?", (address, 9501))
                _, seen = there.recvfrom(10)
                assert seen[0] == family.client
                there.sendto(b"!", seen)
                assert sock.recvfrom(10)[1][0] == address
