# SPDX-License-Identifier: GPL-2.0
"""
What is never steered, an item a test: the router's own addresses, what is for a whole link, link-layer protocols,
destinations whose route leads elsewhere, what an IPsec policy selects, sockets that are bound, and sessions from
before. A class prefers wan2 here, the kernel wan1, so that what was steered shows by its WAN.
"""

import contextlib
import itertools
import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6MLReport, ICMPv6ND_NS, ICMPv6ND_RS, IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from inside import Capture, connect, inside, listen, mac, open_socket
from lab import FAMILIES, V4, V6, LabError, wait_for
from steering import flows, running
from ways import EXCHANGES, NAMES, SERVICE, fails, say_both_ways, settle, tcp, udp

LAB = {"wans": 2, "options": ["--lan2"]}

PPPOE_DISCOVERY, EAPOL = 0x8863, 0x888E
OFFICE = {4: "172.20.0.1", 6: "fd20::1"}  # behind the second LAN's host, as behind a VPN
IPSEC = {4: "198.51.100.0/24", 6: "2001:db8:5ec::/48"}

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)


@pytest.fixture(scope="module", params=["kernel", "untracked", "bypass"])
def mode(request):
    """Of a whole module, so that the tests of one follow one another, and share a controller."""
    return request.param


@pytest.fixture
def lab(kept_lab):
    return kept_lab


@pytest.fixture
def daemon(lab):
    return begin(lab)


def begin(lab, mode="kernel"):
    return running(lab, "{prefer: [lte, fiber]}", firewall=mode)


def steered(daemon, *addresses):
    """Flows on a WAN that have one of these addresses at either end."""
    on_wans = [flow for flow in flows(daemon) if flow["wan"] in NAMES.values()]
    return [flow for flow in on_wans if {flow["src"], flow["dst"]} & set(addresses)]


# --- the router's own addresses ----------------------------------------------------------------------------------


@families
def test_addresses_of_the_router(lab, ways, ip, mode):
    """On any device, a dead one's and one that is down too."""
    daemon = begin(lab, mode)
    lab.break_wan(2, "carrier")
    daemon.wait_states(lte="absent")
    ways.forget()
    addresses = ip.router, ip.router2, ip.wan(1), ip.wan(2)
    for address, (kind, exchange) in itertools.product(addresses, EXCHANGES.items()):
        assert exchange(lab, ip, to=address, server="router", times=3) == ip.client, (address, kind)
    assert ways.up(src=ip.client) == []
    assert steered(daemon, *addresses) == []


@families
def test_an_address_that_comes_while_running(lab, daemon, ip):
    address = ip.server_at(66)
    lab.ip("router", "address", "add", ip.host(address), "dev", "lo")
    try:
        wait_for(lambda: not fails(udp, lab, ip, to=address, server="router"), 5, "the address to be local")
    finally:
        lab.ip("router", "address", "delete", ip.host(address), "dev", "lo")
    assert daemon.running()


# --- what is for a whole link ------------------------------------------------------------------------------------


def ether(lab, dst=None):
    return Ether(src=mac(lab, "client", "lan"), dst=dst or mac(lab, "router", "lan0"))


GROUP_MAC, GROUP6_MAC, ALL_MAC = "01:00:5e:4d:00:01", "33:33:00:00:00:01", "ff:ff:ff:ff:ff:ff"

# (destination MAC or None for the router's, packet): sent with the client's MAC
FOR_THE_LINK = {
    "multicast": (GROUP_MAC, IP(src=V4.client, dst="239.77.0.1", ttl=8) / UDP(sport=5000, dport=9) / Raw(b"x")),
    "multicast to the router's MAC": (None, IP(src=V4.client, dst="239.77.0.1") / UDP(sport=5001, dport=9) / Raw(b"x")),
    "broadcast": (ALL_MAC, IP(src=V4.client, dst="255.255.255.255") / UDP(sport=5002, dport=9) / Raw(b"x")),
    "broadcast of the subnet": (ALL_MAC, IP(src=V4.client, dst="10.77.0.255") / UDP(sport=5003, dport=9) / Raw(b"x")),
    "link-local": (None, IP(src=V4.client, dst="169.254.9.9") / UDP(sport=5004, dport=9) / Raw(b"x")),
    "from a link-local": (None, IP(src="169.254.9.9", dst=V4.server) / UDP(sport=5005, dport=9) / Raw(b"x")),
    "IGMP": (GROUP_MAC, IP(src=V4.client, dst="239.77.0.1", ttl=1, proto=2) / Raw(b"\x16\0\x06\xb4\xef\x4d\0\1")),
    "DHCP discover": (ALL_MAC, IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / Raw(b"\1" * 240)),
    "DHCP to another server": (None, IP(src=V4.client, dst=V4.server) / UDP(sport=68, dport=67) / Raw(b"\1" * 240)),
    "IPv6 multicast": (GROUP6_MAC, IPv6(src=V6.client, dst="ff05::1", hlim=8) / UDP(sport=5006, dport=9) / Raw(b"x")),
    "IPv6 link-local": (None, IPv6(src="fe80::99", dst="fe80::77") / UDP(sport=5007, dport=9) / Raw(b"x")),
    "from an IPv6 link-local": (None, IPv6(src="fe80::99", dst=V6.server) / UDP(sport=5008, dport=9) / Raw(b"x")),
    "MLD": (
        GROUP6_MAC,
        IPv6(src="fe80::99", dst="ff02::16", hlim=1)
        / IPv6ExtHdrHopByHop(options=[RouterAlert()])
        / ICMPv6MLReport(mladdr="ff05::1"),
    ),
    "DHCPv6": (GROUP6_MAC, IPv6(src="fe80::99", dst="ff02::1:2", hlim=1) / UDP(sport=546, dport=547) / Raw(b"\1abc")),
    "router solicitation": (GROUP6_MAC, IPv6(src="fe80::99", dst="ff02::2", hlim=255) / ICMPv6ND_RS()),
    "neighbour solicitation": (
        GROUP6_MAC,
        IPv6(src=V6.client, dst="ff02::1:ff00:77", hlim=255) / ICMPv6ND_NS(tgt="fd00:77::77"),
    ),
}


def test_for_the_link(lab, ways, mode):
    """No WAN sees any of it, no flow comes of it, and to the kernel it comes as it was sent."""
    daemon = begin(lab, mode)
    ways.forget()
    with taps(lab) as (wire, kernel):
        for name, (to, packet) in FOR_THE_LINK.items():
            sent = bytes(ether(lab, to) / packet)
            wire.send(sent)
            assert kernel.wait(lambda frame, sent=sent: frame.data[:14] + frame.data[14:] == sent, 1), name
    settle(lab, lambda: False)
    inside_addresses = {packet.src for _, packet in FOR_THE_LINK.values()}
    assert [seen.ip.summary() for seen in ways.up() if seen.ip.src in inside_addresses] == []
    assert [seen.ip.summary() for seen in ways.up() if UDP in seen.ip and seen.ip.sport in range(5000, 5010)] == []
    assert [flow for flow in flows(daemon) if flow["sport"] in (68, 546, *range(5000, 5010))] == []


@contextlib.contextmanager
def taps(lab):
    """The client's device to send by, and what the router's kernel sees behind our hooks."""
    with Capture(lab, "client", "lan") as wire, contextlib.closing(BehindTheHooks(lab)) as kernel:
        yield wire, kernel


class BehindTheHooks:
    """
    Sockets of one ethertype get a frame after tc's ingress hook, other than Capture's, which gets it before: what is
    redirected or dropped there never comes here.
    """

    TYPES = 0x0800, 0x86DD, 0x0806, PPPOE_DISCOVERY, EAPOL

    def __init__(self, lab):
        self.socks = []
        with inside(lab, "router"):
            for ethertype in self.TYPES:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
                sock.bind(("lan0", ethertype))
                sock.setblocking(False)
                self.socks.append(sock)

    def wait(self, wanted, timeout_s):
        class Seen:  # pylint: disable=too-few-public-methods
            def __init__(self, data):
                self.data = data

        found = []

        def look():
            for sock in self.socks:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        found.append(wanted(Seen(sock.recv(2000))))
            return any(found)

        with contextlib.suppress(LabError):
            return wait_for(look, timeout_s)
        return False

    def close(self):
        for sock in self.socks:
            sock.close()


def test_link_layer_protocols(lab, ways, daemon):
    """ARP, PPPoE discovery and EAPOL reach the kernel as they were sent."""
    own, router = mac(lab, "client", "lan"), mac(lab, "router", "lan0")
    frames = {
        "ARP": Ether(src=own, dst=ALL_MAC) / ARP(hwsrc=own, psrc=V4.client, pdst=V4.router),
        "PPPoE": Ether(src=own, dst=ALL_MAC, type=PPPOE_DISCOVERY) / Raw(b"\x11\x09\0\0\0\x04\x01\x01\0\0"),
        "EAPOL": Ether(src=own, dst=router, type=EAPOL) / Raw(b"\x01\x01\0\0"),
    }
    with taps(lab) as (wire, kernel):
        for name, frame in frames.items():
            wire.send(bytes(frame))
            assert kernel.wait(lambda seen, frame=frame: seen.data.startswith(bytes(frame)), 1), name
    lab.ip("client", "neigh", "flush", "all")
    for ip in FAMILIES:
        assert udp(lab, ip) == ip.wan(2)  # after resolving the router's address anew
    assert {seen.wan for seen in ways.up(dport=SERVICE)} == {2}
    assert daemon.running()


def test_dhcp_server_on_the_router(lab, daemon):
    """What DHCP servers listen with hears a broadcast from no address."""
    with contextlib.closing(open_socket(lab, "router")) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
        server.bind(("", 67))
        with Capture(lab, "client", "lan") as wire:
            wire.send(bytes(ether(lab, ALL_MAC) / FOR_THE_LINK["DHCP discover"][1]))
        assert server.recvfrom(300)[1] == ("0.0.0.0", 68)
    assert steered(daemon, "0.0.0.0") == []


# --- routes that lead elsewhere ----------------------------------------------------------------------------------


@families
def test_between_lans(lab, ways, ip, mode):
    """The second LAN is none of ours: to it and from it the kernel routes."""
    daemon = begin(lab, mode)
    ways.forget()
    for kind, exchange in EXCHANGES.items():
        assert exchange(lab, ip, to=ip.client3, server="client3", times=3) == ip.client, kind
        assert exchange(lab, ip, to=ip.client, server="client", part="client3", times=3) == ip.client3, kind
    assert ways.up(src=ip.client) == ways.up(src=ip.client3) == []
    assert steered(daemon, ip.client3) == []


@families
@pytest.mark.parametrize("when", ["before", "while running"])
def test_by_a_vpn(lab, ways, ip, when):
    """A prefix with a route of its own, there before or made later, is the kernel's as long as it is there."""
    office = OFFICE[ip.version]
    prefix = f"{office}/{16 if ip.version == 4 else 64}"
    lab.ip("client3", "address", "add", ip.host(office), "dev", "lo")
    route = prefix.replace(office, "172.20.0.0" if ip.version == 4 else "fd20::"), "via", ip.client3
    try:
        if when == "before":
            lab.daemon.stop()
            lab.ip("router", "route", "add", *route)
            daemon = begin(lab)
        else:
            daemon = begin(lab)
            lab.ip("router", "route", "add", *route)
            wait_for(lambda: not fails(udp, lab, ip, to=office, server="client3"), 5, "the route to be known")
        ways.forget()
        for kind, exchange in EXCHANGES.items():
            assert exchange(lab, ip, to=office, server="client3", times=3) == ip.client, kind
        assert ways.up(dst=office) == []
        assert when != "before" or steered(daemon, office) == []
    finally:
        lab.ip("router", "route", "delete", *route, check=False)
        lab.ip("client3", "address", "delete", ip.host(office), "dev", "lo")
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as client:
        wait_for(lambda: client.sendto(b"?", (office, 9)) and ways.of(dst=office) == {(2, ip.wan(2))}, 5, "a WAN again")


@families
def test_a_route_through_a_wan_keeps_that_wan(lab, ways, ip, mode):
    """As an ISP's telephony: not steered, but translated, by us."""
    target = ip.server_at(7)
    begin(lab, mode)
    lab.ip("router", "route", "add", ip.host(target), "via", ip.gateway(1), "dev", "wan1")
    try:
        wait_for(lambda: udp(lab, ip, to=target, port=SERVICE + 1) == ip.wan(1), 5, "the route to be known")
        ways.forget()
        for kind, exchange in EXCHANGES.items():
            assert exchange(lab, ip, to=target, times=5) == ip.wan(1), kind
        assert ways.of(dst=target) == {(1, ip.wan(1))}
        assert udp(lab, ip) == ip.wan(2)
    finally:
        lab.ip("router", "route", "delete", ip.host(target))


@families
def test_a_modems_page(lab, ways, ip, mode):
    """An address of the WAN's own subnet, also while nothing comes through behind it."""
    daemon = begin(lab, mode)
    ways.forget()
    for state in "up", "down":
        if state == "down":
            lab.break_wan(1, "blackhole")
            daemon.wait_states(fiber="down")
        for kind, exchange in EXCHANGES.items():
            assert exchange(lab, ip, to=ip.provider(1), server="isp1", times=3) == ip.wan(1), (state, kind)
    assert ways.of(dst=ip.provider(1)) == {(1, ip.wan(1))}


# --- IPsec -------------------------------------------------------------------------------------------------------


def policy(ip, verb):
    """What an IPsec daemon puts in: a tunnel for a prefix, for which there are no keys yet here."""
    ends = ["src", ip.wan(1), "dst", ip.server_at(8)]
    template = ["tmpl", *ends, "proto", "esp", "reqid", "7", "mode", "tunnel"] if verb == "add" else []
    return ["xfrm", "policy", verb, "src", ip.any + "/0", "dst", IPSEC[ip.version], "dir", "out", *template]


@families
@pytest.mark.parametrize("when", ["before", "while running"])
def test_what_an_ipsec_policy_selects(lab, ways, ip, mode, when):
    """It never leaves in the clear, by no WAN; without the policy it is steered."""
    target = IPSEC[ip.version].split("/")[0].replace("100.0", "100.9") + ("9" if ip.version == 6 else "")
    if when == "before":
        lab.daemon.stop()
        lab.ip("router", *policy(ip, "add"))
    daemon = begin(lab, mode)
    ways.forget()
    try:
        if when != "before":
            with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as sock:
                sock.sendto(b"steered", (target, 9))
            wait_for(lambda: ways.of(dst=target) == {(2, ip.wan(2))}, 3, "it to be steered before")
            lab.ip("router", *policy(ip, "add"))
            wait_for(lambda: leaves_nothing(lab, ways, ip, target), 5, "the policy to be known")
        before = len(steered(daemon, target))
        assert leaves_nothing(lab, ways, ip, target)
        assert len(steered(daemon, target)) == before
    finally:
        lab.ip("router", *policy(ip, "delete"))
    wait_for(lambda: not leaves_nothing(lab, ways, ip, target), 5, "it to be steered")
    assert ways.of(dst=target) == {(2, ip.wan(2))}


def leaves_nothing(lab, ways, ip, target):
    ways.forget()
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as sock:
        for _ in range(3):
            with contextlib.suppress(OSError):
                sock.sendto(b"secret", (target, 9))
    return not settle(lab, lambda: ways.up(dst=target), 0.1)


# --- sockets of the router ---------------------------------------------------------------------------------------


@families
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("how", ["device", "address"])
def test_bound_sockets_of_the_router(lab, ways, daemon, ip, number, how):
    ways.forget()
    with contextlib.closing(open_socket(lab, "router", family=ip.af)) as sock:
        if how == "device":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, f"wan{number}".encode())
        else:
            sock.bind((ip.wan(number), 0))
        with contextlib.closing(open_socket(lab, "inet", bind=(ip.server, SERVICE))) as server:
            for _ in range(3):
                sock.sendto(b"by this one", (ip.server, SERVICE))
                _, seen = server.recvfrom(100)
                assert seen[0] == ip.wan(number)
                server.sendto(b"yes", seen)
                assert sock.recv(10) == b"yes"
    assert ways.of(dst=ip.server) == {(number, ip.wan(number))}
    assert daemon.running()


# --- sessions from before ----------------------------------------------------------------------------------------


@families
def test_sessions_from_before_live_on(lab, ways, ip):
    """The kernel's masquerade began them by wan1; they end there, while new ones go by wan2."""
    lab.daemon.stop()
    lab.nft("router", f"table {ip.nft} user {{ chain p {{ type nat hook postrouting priority 100; masquerade; }}; }}")
    try:
        with contextlib.closing(listen(lab, "inet", (ip.server, SERVICE))) as listening:
            ours, theirs, seen = connect(lab, "client", listening, (ip.server, SERVICE))
            with ours, theirs:
                say_both_ways(ours, theirs)
                assert seen[0] == ip.wan(1)
                begin(lab)
                ways.forget()
                for _ in range(3):
                    say_both_ways(ours, theirs)
                    say_both_ways(theirs, ours)
                assert ways.of(dport=SERVICE) == {(1, ip.wan(1))}
                assert tcp(lab, ip, port=SERVICE + 1) == ip.wan(2)
                lab.daemon.cli("stop")
                say_both_ways(ours, theirs)
    finally:
        lab.run("router", "nft", "delete", "table", ip.nft, "user")
