# SPDX-License-Identifier: GPL-2.0
"""
IPv6 prefix translation (RFC 6296): checksum-neutral, one to one, no port changed, by each WAN into the prefix that it
delegates; and what auto makes of sources that are a WAN's own. docs/rfc.md says which test shows which row.
"""

import contextlib
import ipaddress
import os

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE
from scapy.packet import Raw

from inside import open_socket
from lab import Lab, wait_for
from wire import (
    V6, Flow, client_tap, error, icmp_type, noise, of, serve, settings, start, udp, wan_tap, whole,
)

INSIDE = {"private": ["ula"], "private and delegated": ["ula", "wan1"]}

PREFIX = {1: "2001:db8:1:100::/56", 2: "2001:db8:2:100::/56"}
OWN = "2001:db8:1:100::2"  # the client's address out of what wan1 delegates
ROUTERS_OWN = "2001:db8:1:100::1"
# A subnet of the inside prefix whose image is no subnet of the LAN: there nobody would be asked for but neighbours.
APART = "fd00:77:0:1::"


def npt(default="{prefer: [fiber, lte]}"):
    keys = {name: f", nat6: npt, prefix6: {PREFIX[n]}" for n, name in ((1, "fiber"), (2, "lte"))}
    return settings(default, wan="", fiber=keys["fiber"], lte=keys["lte"]).replace(", nat6: masquerade", "")


def senseless(name, params):
    """Without a delegated prefix the client has no address out of one."""
    return name.startswith("test_own_prefix") and params.get("lab") == "private"


@pytest.fixture(scope="module", params=INSIDE)
def lab(request):
    """One controller for all tests of npt, whatever other addresses the clients have."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    options = ["--no-offload", "--delegate", *(word for one in INSIDE[request.param] for word in ("--inside6", one))]
    with Lab(f"wh-npt-{os.getpid()}", options=options) as one:
        one.inside = request.param
        for number, (part, device) in enumerate([("router", "lan0"), ("client", "lan"), ("client2", "lan")], 1):
            one.ip(part, "address", "add", f"{APART}{number}/64", "dev", device, "nodad")
        start(one, npt())
        yield one


def words(address):
    octets = ipaddress.ip_address(address).packed
    return [int.from_bytes(octets[n : n + 2], "big") for n in range(0, 16, 2)]


def is_of(address, number):
    return ipaddress.ip_address(address) in ipaddress.ip_network(PREFIX[number])


def is_neutral(before, after):
    return sum(words(before)) % 0xFFFF == sum(words(after)) % 0xFFFF


def hosts(count):
    """Addresses of the LAN's prefix, the odd ones among them."""
    odd = ["1:0", "ffff:ffff:ffff:0", "ffff", "ffff:0:0:0", "8000:0:0:0"]
    drawn = [ipaddress.IPv6Address(b"\xfd\0\0\x77" + bytes(4) + os.urandom(8)) for _ in range(count)]
    return [f"fd00:77::{one}" for one in odd] + list(map(str, drawn))


def seen_outside(client, wan, address, dport):
    """A datagram of that source's as it is on the WAN, and as it was sent."""
    sent = IPv6(bytes(udp(V6, address, 7000, V6.phantom, dport, noise(32))))
    client.put(sent)
    return sent, whole(wan.expect(of(V6, UDP, dport=dport)))


def test_6296_checksum_neutral(lab):
    """The checksum of what is inside has not one bit changed, nor have ports; any host gets an address of its own."""
    with client_tap(lab) as client, wan_tap(lab) as wan:
        given = {}
        for n, address in enumerate(hosts(60)):
            sent, went = seen_outside(client, wan, address, 7100 + n)
            assert is_of(went.src, 1) and is_neutral(address, went.src), (address, went.src)
            assert bytes(went[UDP]) == bytes(sent[UDP])
            given[address] = went.src
        assert len(set(given.values())) == len(given)
        for address, outside in given.items():
            assert seen_outside(client, wan, address, 7090)[1].src == outside


def test_6296_there_and_back(lab):
    with serve(lab, V6) as server, contextlib.closing(Flow(lab, V6)) as flow:
        flow.sock.close()
        flow.sock = open_socket(lab, "client", bind=(V6.client, 0))
        end = flow.meet(server)
        assert is_of(end[0], 1) and end[1] == flow.port


@pytest.mark.parametrize("identifier", ["", "ffff:ffff:ffff:ffff"], ids=["zeros", "ones"])
def test_6296_all_zero_identifier_is_dropped(lab, identifier):
    """And that of ones, which has no word to amend."""
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(udp(V6, f"fd00:77::{identifier}", 7001, V6.phantom, 7200))
        wan.silent(of(V6, UDP, dport=7200))


def test_6296_echo(lab):
    with client_tap(lab) as client, wan_tap(lab) as wan:
        sent = IPv6(bytes(V6.ip(V6.client, V6.phantom) / V6.ping(321) / Raw(b"abc")))
        client.put(sent)
        went = whole(wan.expect(lambda p: isinstance(p, IPv6) and p.dst == V6.phantom and bool(icmp_type(p))))
        assert went.payload.id == 321 and went.payload.cksum == sent.payload.cksum
        wan.put(V6.ip(V6.phantom, went.src) / V6.pong(321) / Raw(b"abc"))
        whole(client.expect(lambda p: isinstance(p, IPv6) and p.src == V6.phantom and p.dst == V6.client))


def test_6296_errors_are_translated(lab):
    """Outer and quoted address alike."""
    with client_tap(lab) as client, wan_tap(lab) as wan:
        _, went = seen_outside(client, wan, V6.client, 7201)
        wan.put(V6.ip(V6.server_at(88), went.src) / V6.error("time") / Raw(bytes(went)))
        told = whole(client.expect(error(V6, "time")))
        quoted = V6.error_of(told)[2]
        assert (told.dst, quoted.src) == (V6.client, V6.client)
        assert bytes(quoted.payload) == bytes(went.payload)


@pytest.mark.parametrize("proto", ["GRE", "ESP", "SCTP"])
def test_6296_any_protocol(lab, proto):
    """What has no ports, or ports that nobody understands, passes with its address changed and nothing else."""
    inner = {"GRE": GRE() / Raw(noise(40)), "ESP": Raw(noise(64)), "SCTP": Raw(noise(64))}[proto]
    number = {"GRE": 47, "ESP": 50, "SCTP": 132}[proto]
    with client_tap(lab) as client, wan_tap(lab) as wan:
        packet = V6.ip(V6.client, V6.phantom, nh=number) / inner
        client.put(packet)
        went = wan.expect(lambda p: isinstance(p, IPv6) and p.nh == number and p.dst == V6.phantom)
        assert is_of(went.src, 1) and is_neutral(V6.client, went.src)
        assert bytes(went)[40:] == bytes(packet)[40:]
        back = V6.ip(V6.phantom, went.src, nh=number) / inner
        wan.put(back)
        came = client.expect(lambda p: isinstance(p, IPv6) and p.nh == number)
        assert came.dst == V6.client and bytes(came)[40:] == bytes(packet)[40:]


def test_6296_hairpin(lab):
    """To another host's external address, by its own external address."""
    with serve(lab, V6) as server:
        one = open_socket(lab, "client", bind=(f"{APART}2", 0))
        other = open_socket(lab, "client2", bind=(f"{APART}3", 0))
        ends = []
        for sock in (one, other):
            sock.sendto(b"?", (V6.server, 9000))
            ends.append(server.recvfrom(10)[1][:2])
        for sender, to, receiver, seen_as in ((one, 1, other, 0), (other, 0, one, 1), (one, 1, other, 0)):
            sender.sendto(b"%d" % to, ends[to])
            data, seen = receiver.recvfrom(10)
            assert (data, seen[:2]) == (b"%d" % to, ends[seen_as])
        one.close(), other.close()


def test_6296_hairpin_echo(lab):
    with serve(lab, V6) as server, open_socket(lab, "client2", bind=(f"{APART}3", 0)) as other:
        other.sendto(b"?", (V6.server, 9000))
        end = server.recvfrom(10)[1][0]
    done = lab.run("client", "ping", "-c", 3, "-i", 0.1, "-W", 1, "-I", f"{APART}2", end, check=False)
    assert "3 received" in done.stdout and "ttl=63" in done.stdout


def test_6296_by_each_wan_its_prefix(lab):
    """A flow that moves has an address of the other prefix, and the same port; one more reason why TCP is reset."""
    with serve(lab, V6) as server, open_socket(lab, "client", bind=(V6.client, 7002)) as client:
        client.sendto(b"?", (V6.server, 9000))
        assert is_of(server.recvfrom(10)[1][0], 1)
        lab.daemon.cli("wan", "down", "fiber", "--yes")
        try:
            client.sendto(b"?", (V6.server, 9000))
            _, seen = server.recvfrom(10)
            assert is_of(seen[0], 2) and seen[1] == 7002 and is_neutral(V6.client, seen[0])
            server.sendto(b"!", seen)
            assert client.recv(10) == b"!"
        finally:
            lab.daemon.cli("wan", "auto", "fiber")
            wait_for(lambda: lab.daemon.wan("fiber")["v6"]["state"] == "up", 15, "fiber to be up")


def test_own_prefix_is_left_as_it_is(lab):
    """auto: a source out of what a WAN delegates leaves by that WAN untranslated, and by the other translated."""
    lab.daemon.stop()
    start(lab, npt().replace("nat6: npt", "nat6: auto"))
    with serve(lab, V6) as server, open_socket(lab, "client", bind=(OWN, 7003)) as client:
        client.sendto(b"?", (V6.server, 9000))
        _, seen = server.recvfrom(10)
        assert seen[:2] == (OWN, 7003)
        server.sendto(b"!", seen)
        assert client.recv(10) == b"!"
        lab.daemon.cli("wan", "down", "fiber", "--yes")
        client.sendto(b"?", (V6.server, 9000))
        _, seen = server.recvfrom(10)
        assert V6.is_of_wan(seen[0], 2)
        server.sendto(b"!", seen)
        assert client.recv(10) == b"!"


def test_own_prefix_is_reached_as_it_is(lab):
    """From outside and from inside: an address out of the prefix that stands on the LAN is nobody's image."""
    assert pings(lab, "client", ROUTERS_OWN, V6.client) and pings(lab, "inet", ROUTERS_OWN)
    assert pings(lab, "client", ROUTERS_OWN, f"{APART}2")
    with open_socket(lab, "client", bind=(OWN, 7004)) as client, serve(lab, V6) as server:
        server.sendto(b"!", (OWN, 7004))
        assert client.recvfrom(10)[1][0] == V6.server


def pings(lab, part, to, source=None):
    asked = ["-I", source] if source else []
    return lab.run(part, "ping", "-c", 1, "-W", 1, *asked, to, check=False).returncode == 0
