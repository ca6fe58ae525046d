# SPDX-License-Identifier: GPL-2.0
"""
What is not wanhelm's to steer goes its way as if there were no wanhelm: each of these is asked once with the kernel
alone and once with the controller running, and the answers must be equal. The kernel here translates what it
forwards, as a router without wanhelm would. While all of it goes on, no address of the LAN is seen on any WAN.
"""

import contextlib
import json
import os
import socket
import struct
import subprocess

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck

from held import exists, of_controller
from inside import Capture, connect, from_prefix, is_silent, listen, mac, open_socket
from lab import CLIENT, SERVER, V4, V6, Lab, wait_for, wan_address
from steering import FIREWALLS, drops, figure, flows, left_to_kernel, start, udp_stream, wait_up

LAN2 = V4.client3  # on a LAN that is none of wanhelm's
VPN_ROUTER, VPN = "192.0.2.1", "192.0.2.2"
OFFICE = "172.20.0.1"  # behind the VPN
ROUTED = "203.0.113.7"  # a server with a route of its own, by wan2
GROUP = "239.77.0.1"
UNKNOWN = 253  # a protocol for experiments
BY_ADDRESS = {"GRE": 47, "ESP": 50, "IPIP": 4, "6in4": 41, "SCTP": 132}
INIT = bytes(SCTP(sport=5000, dport=5001) / SCTPChunkInit())
INIT_ACK = bytes(SCTP(sport=5001, dport=5000) / SCTPChunkInitAck())
PORTS = range(20000, 32000)  # of translation, by default
IP_RECVTTL = 12
INSIDE = (("10.0.0.0", 8), ("fc00::", 7))


class Surroundings(Lab):
    """The lab with a second LAN, and with a VPN: a device of the router and a host behind it."""

    def __enter__(self):
        super().__enter__()
        try:
            wires = [(f"isp{i}", "cust0", prefix) for i in (1, 2) for prefix in INSIDE]
            self.leaks = [Capture(self, part, device, from_prefix(*net)) for part, device, net in wires]
            self.attach_vpn()
            self.ip("router", "route", "add", f"{ROUTED}/32", "via", "198.18.2.1", "dev", "wan2")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        super().__exit__()
        subprocess.run(["ip", "netns", "delete", f"{self.name}-vpn"], check=False, capture_output=True)

    def attach_vpn(self):
        peer = f"{self.name}-vpn"
        subprocess.run(["ip", "netns", "add", peer], check=True)
        self.ip("router", "link", "add", "vpn0", "type", "veth", "peer", "name", "eth0", "netns", peer)
        self.ip("router", "address", "add", f"{VPN_ROUTER}/24", "dev", "vpn0")
        self.ip("router", "link", "set", "vpn0", "up")
        for device in ("lo", "eth0"):
            self.ip("vpn", "link", "set", device, "up")
        self.ip("vpn", "address", "add", f"{VPN}/24", "dev", "eth0")
        self.ip("vpn", "route", "add", "default", "via", VPN_ROUTER)
        self.ip("vpn", "address", "add", f"{OFFICE}/32", "dev", "lo")
        self.ip("router", "route", "add", "172.20.0.0/16", "via", VPN, "dev", "vpn0")


@pytest.fixture(scope="module")
def module_lab():
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    with Surroundings(f"wh-alone-{os.getpid()}", options=["--masquerade", "--lan2"]) as one:
        yield one


def leaked(lab):
    return [frame.packet.summary() for wire in lab.leaks for frame in wire.frames() if not frame.outgoing]


@pytest.fixture(autouse=True)
def nothing_leaks(lab):
    leaked(lab)
    yield
    assert leaked(lab) == []


# --- without and with --------------------------------------------------------------------------------------------


def udp_exchange(lab, part, address, port=41000):
    """What a host and the client see of one another: addresses, and the times to live."""
    host = open_socket(lab, part, bind=(address, 9000))
    client = open_socket(lab, "client", bind=(CLIENT, port))
    for sock in (host, client):
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    client.sendto(b"there", (address, 9000))
    there = receive(host)
    host.sendto(b"back", there[1])
    return there, receive(client)


def receive(sock):
    """Payload, sender, time to live"""
    data, extra, _, sender = sock.recvmsg(2000, socket.CMSG_SPACE(4))
    return data, sender, struct.unpack("i", extra[0][2])[0]


def tcp_exchange(lab, part, address):
    listening = listen(lab, part, (address, 9001))
    with connect_all(lab, listening, (address, 9001)) as (ours, theirs, seen):
        ours.sendall(b"there")
        assert theirs.recv(10) == b"there"
        theirs.sendall(b"back")
        return seen[0], ours.recv(10)


@contextlib.contextmanager
def connect_all(lab, listening, to):
    ours, theirs, seen = connect(lab, "client", listening, to)
    with listening, ours, theirs:
        yield ours, theirs, seen


def between_lans(lab):
    return udp_exchange(lab, "client3", LAN2), tcp_exchange(lab, "client3", LAN2)


def from_the_other_lan(lab):
    """Begun on a LAN that is none of wanhelm's, towards one that is."""
    client = open_socket(lab, "client", bind=(CLIENT, 9002))
    client.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    other = open_socket(lab, "client3", bind=(LAN2, 42000))
    other.sendto(b"there", (CLIENT, 9002))
    seen = receive(client)
    client.sendto(b"back", seen[1])
    return seen, other.recvfrom(10)


def to_the_router(lab):
    """By any of its addresses, a WAN's too."""
    addresses = V4.router, V4.router2, wan_address(1), wan_address(2)
    return [
        (
            lab.run("client", "ping", "-c", 1, "-W", 1, address, check=False).returncode,
            udp_exchange(lab, "router", address),
            tcp_exchange(lab, "router", address),
        )
        for address in addresses
    ]


def by_a_vpn(lab):
    return udp_exchange(lab, "vpn", OFFICE), tcp_exchange(lab, "vpn", OFFICE)


def multicast(lab):
    member = open_socket(lab, "router", bind=(GROUP, 9003))
    joined = socket.inet_aton(GROUP) + socket.inet_aton(V4.router)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
    client = open_socket(lab, "client", bind=(CLIENT, 41003))
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    with Capture(lab, "isp1", "cust0") as wire:
        client.sendto(b"to all", (GROUP, 9003))
        heard = member.recvfrom(100)
        return heard, [f.packet.summary() for f in wire.frames() if GROUP in f.packet.summary()]


def broadcast(lab):
    """As DHCP asks."""
    server = open_socket(lab, "router", bind=("", 9067))
    client = open_socket(lab, "client", bind=(CLIENT, 9068))
    for sock in (server, client):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    client.sendto(b"offer?", ("255.255.255.255", 9067))
    return server.recvfrom(100)


def ipv6(lab):
    server = open_socket(lab, "router", bind=(V6.router, 9004), family=socket.AF_INET6)
    client = open_socket(lab, "client", bind=(V6.client, 41004), family=socket.AF_INET6)
    client.sendto(b"six", (V6.router, 9004))
    heard, seen = server.recvfrom(100)
    server.sendto(heard, seen)
    return heard, seen[:2], client.recv(100)


def exchange_raw(lab, proto, word=b"inner word", answer=b"inner answer"):
    """A protocol without ports: what the server heard, from whom, and what the client heard."""
    server = open_socket(lab, "inet", socket.SOCK_RAW, proto, bind=(SERVER, 0))
    client = open_socket(lab, "client", socket.SOCK_RAW, proto)
    client.sendto(word, (SERVER, 0))
    there = server.recvfrom(100)
    server.sendto(answer, (there[1][0], 0))
    return there[0][20:], there[1][0], client.recv(100)[20:]


def unknown(lab):
    """A protocol that is not steered: the kernel forwards it, and its own translation lets it past the guard."""
    return exchange_raw(lab, UNKNOWN)


LEFT_ALONE = [
    between_lans,
    from_the_other_lan,
    to_the_router,
    by_a_vpn,
    multicast,
    broadcast,
    ipv6,
    unknown,
]


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_left_alone(lab, firewall):
    """Asked without, with, and without again: what is asked must not depend on what was asked before."""
    without = {ask.__name__: ask(lab) for ask in LEFT_ALONE}
    daemon = start(lab, firewall=firewall)
    flows_before = daemon.json("flows", "--count")["flows"]
    with_us = {ask.__name__: ask(lab) for ask in LEFT_ALONE}
    assert with_us == without
    assert daemon.json("flows", "--count")["flows"] == flows_before == 0
    assert left_to_kernel(daemon)["kernel-route"] > 20
    assert left_to_kernel(daemon)["kernel-proto"] >= 1
    assert all(count == 0 for count in drops(daemon).values())
    daemon.cli("stop")
    assert {ask.__name__: ask(lab) for ask in LEFT_ALONE} == without


def test_answers_say_who_asked(lab):
    """That the comparison above compares something: who was seen, and how far away."""
    (there, back), _ = between_lans(lab)
    assert there == (b"there", (CLIENT, 41000), 63)
    assert back == (b"back", (LAN2, 9000), 63)
    assert multicast(lab) == ((b"to all", (CLIENT, 41003)), [])
    assert unknown(lab) == (b"inner word", wan_address(1), b"inner answer")
    assert to_the_router(lab)[0][0] == 0


def test_a_new_route_is_followed(lab):
    """A VPN that comes up while wanhelm runs takes its destinations, and gives them back."""
    daemon = start(lab)
    target = "203.0.113.6"
    server = open_socket(lab, "inet", bind=(target, 9005))
    office = None

    def way():
        client = open_socket(lab, "client", timeout_s=0.3)
        client.sendto(b"where?", (target, 9005))
        readable = {"wan": not is_silent(server, 0.1), "vpn": office is not None and not is_silent(office, 0.1)}
        for name, sock in (("wan", server), ("vpn", office)):
            if readable[name]:
                sock.recv(100)
        return [name for name, there in readable.items() if there]

    assert way() == ["wan"]
    lab.ip("vpn", "address", "add", f"{target}/32", "dev", "lo")
    office = open_socket(lab, "vpn", bind=(target, 9005))
    lab.ip("router", "route", "add", f"{target}/32", "via", VPN, "dev", "vpn0")
    wait_for(lambda: way() == ["vpn"], what="new flows to take the VPN")
    lab.ip("router", "route", "delete", f"{target}/32")
    wait_for(lambda: way() == ["wan"], what="new flows to take a WAN again")
    assert drops(daemon)["leak"] == 0


# --- what is ours though the kernel would do it too ---------------------------------------------------------------


def flow_ways(daemon):
    return {(flow["proto"], flow["dst"], flow["wan"]) for flow in flows(daemon)}


@pytest.mark.parametrize("prefer", ["fiber, lte", "lte, fiber"])
def test_a_wans_own_route_is_translated_there(lab, prefer):
    """A modem's page: that WAN whatever the class prefers, by a port of ours, and the hops are as many as before."""
    there_before, back_before = udp_exchange(lab, "inet", ROUTED)
    tcp_before = tcp_exchange(lab, "inet", ROUTED)
    daemon = start(lab, f"{{prefer: [{prefer}]}}")
    there, back = udp_exchange(lab, "inet", ROUTED, 41007)
    data, (source, port), ttl = there
    assert (data, source, ttl) == (there_before[0], wan_address(2), there_before[2]) and port in PORTS
    assert back == back_before
    assert tcp_exchange(lab, "inet", ROUTED) == tcp_before == (wan_address(2), b"back")
    assert flow_ways(daemon) == {("udp", ROUTED, "lte"), ("tcp", ROUTED, "lte")}


@pytest.mark.parametrize("proto", BY_ADDRESS.values(), ids=BY_ADDRESS)
def test_protocols_without_ports_are_steered_by_address(lab, proto):
    daemon = start(lab, "{prefer: [lte, fiber]}")
    word, answer = (INIT, INIT_ACK) if proto == BY_ADDRESS["SCTP"] else (b"inner word", b"inner answer")
    assert exchange_raw(lab, proto, word, answer) == (word, wan_address(2), answer)
    assert daemon.json("flows", "--count")["flows"] == 1


def test_fragments_are_translated(lab):
    """In any order; what the server puts together is what the client sent."""
    daemon = start(lab, "{prefer: [lte, fiber]}")
    server = open_socket(lab, "inet", bind=(SERVER, 9007))
    ether = Ether(src=mac(lab, "client", "lan"), dst=mac(lab, "router", "lan0"))
    with without_masquerade(lab), Capture(lab, "client", "lan") as wire:
        for number, turn in enumerate((1, -1)):
            whole = IP(src=CLIENT, dst=SERVER, id=700 + number) / UDP(sport=43001, dport=9007) / (b"f" * 640)
            for part in fragment(whole, 200)[::turn]:
                wire.send(ether / part)
            data, (seen, port) = server.recvfrom(2000)
            assert data == b"f" * 640 and seen == wan_address(2) and port in PORTS
    assert drops(daemon)["leak"] == 0


# --- the guard ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def without_masquerade(lab):
    """The kernel forwards, and translates nothing."""
    lab.run("router", "nft", "flush", "chain", "ip", "lab_masquerade", "postrouting")
    try:
        yield
    finally:
        lab.run("router", "nft", "add rule ip lab_masquerade postrouting oifname wan* masquerade")


def forwarded_untranslated(lab):
    """What the kernel forwards to a WAN with the client's own source: name → frame."""
    ether = Ether(src=mac(lab, "client", "lan"), dst=mac(lab, "router", "lan0"))
    other = "203.0.113.8"  # not asked before: conntrack would still translate
    return {
        "an unknown protocol": ether / IP(src=CLIENT, dst=other, proto=UNKNOWN) / b"inner",
        "a session from before": ether / IP(src=CLIENT, dst=other) / TCP(sport=43000, dport=9, flags="A", seq=1, ack=1),
    }


def test_leak_guard(lab):
    daemon = start(lab)
    sent = forwarded_untranslated(lab)
    with without_masquerade(lab), Capture(lab, "client", "lan") as wire:
        for name, frame in sent.items():
            before = drops(daemon)["leak"]
            wire.send(frame)
            wait_for(lambda n=before: drops(daemon)["leak"] > n, 3, f"{name} to be counted as a leak")
        assert leaked(lab) == []
        daemon.cli("stop")
        for frame in sent.values():
            wire.send(frame)
        seen = []  # without wanhelm they do leave, so it was the guard that held them
        wait_for(lambda: seen.extend(leaked(lab)) or len(seen) >= len(sent), what="the kernel alone to let them out")


def test_all_day_long(lab):
    """Everyday traffic over a failover: not one address of the LAN on a WAN (see nothing_leaks)."""
    daemon = start(lab)
    lab.servers()
    clients = [lab.client(kind, "--duration", 60) for kind in ("udp", "http", "tcp", "dns")]
    stream = clients[0]
    wait_for(lambda: len(stream.records()) > 100, what="the stream")
    lab.break_wan(1, "carrier")
    wait_for(lambda: stream.records()[-1].get("wan") == wan_address(2), what="the stream to go by wan2")
    lab.heal(1)
    wait_up(daemon, "fiber")
    daemon.cli("wan", "down", "lte", "--yes")
    wait_for(lambda: stream.records()[-1].get("wan") == wan_address(1), what="the stream to come back")
    seen = len(stream.records())
    assert seen > 200
    figure("leak watch", datagrams=seen, leaked=len(leaked(lab)))


# --- the end -----------------------------------------------------------------------------------------------------


def devices_of(lab):
    return sorted(link["ifname"] for link in json.loads(lab.run("router", "ip", "-j", "link", "show").stdout))


def test_stop_under_traffic_leaves_nothing(lab):
    devices = devices_of(lab)
    before = lab.snapshot()
    daemon = start(lab)
    lab.servers("udp")
    stream = udp_stream(lab, "--rate", 2000)
    held = of_controller(daemon)
    assert {kind for kind, _ in held} == {"prog", "map", "link"}
    assert all(exists(kind, number) for kind, number in held)
    assert devices_of(lab) != devices

    assert "detached" in daemon.cli("stop").stdout
    assert daemon.process.wait(5) == 0
    for kind, number in held:
        wait_for(lambda k=kind, n=number: not exists(k, n), 5, f"BPF {kind} {number} to be gone")
    assert not daemon.bpf_dir.exists()
    assert devices_of(lab) == devices
    assert lab.snapshot() == before
    then = len(stream.records())
    wait_for(lambda: len(stream.records()) > then + 50, what="the stream to go on through the kernel")
