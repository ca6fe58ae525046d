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

from held import exists, of_controller
from inside import Capture, connect, from_prefix, is_silent, listen, mac, open_socket
from lab import CLIENT, SERVER, Lab, wait_for, wan_address
from steering import drops, figure, start, udp_stream

ROUTER = "10.77.0.1"
LAN2_ROUTER, LAN2 = "10.78.0.1", "10.78.0.2"
VPN_ROUTER, VPN = "192.0.2.1", "192.0.2.2"
OFFICE = "172.20.0.1"  # behind the VPN
ROUTED = "203.0.113.7"  # a server with a route of its own, by wan2
GROUP = "239.77.0.1"
GRE, GRE_HEADER = 47, b"\0\0\x08\0"
IP_RECVTTL = 12


class Surroundings(Lab):
    """The lab, with IPv6 on the LAN, and a second LAN and a VPN, each a device of the router and a host behind it."""

    def __enter__(self):
        super().__enter__()
        try:
            self.leaks = [Capture(self, f"isp{i}", "cust0", from_prefix("10.0.0.0", 8)) for i in (1, 2)]
            self.attach("lan2", "tolan2", LAN2_ROUTER, LAN2)
            self.attach("vpn", "vpn0", VPN_ROUTER, VPN)
            self.ip("vpn", "address", "add", f"{OFFICE}/32", "dev", "lo")
            self.ip("router", "route", "add", "172.20.0.0/16", "via", VPN, "dev", "vpn0")
            self.ip("router", "route", "add", f"{ROUTED}/32", "via", "198.18.2.1", "dev", "wan2")
            for part, device, address in (("client", "lan", "fd77::2"), ("router", "lan0", "fd77::1")):
                self.run(part, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=0")
                self.ip(part, "-6", "address", "add", f"{address}/64", "dev", device, "nodad")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        super().__exit__()
        for name in ("lan2", "vpn"):
            subprocess.run(["ip", "netns", "delete", f"{self.name}-{name}"], check=False, capture_output=True)

    def ip(self, part, *args):
        self.run(part, "ip", *args)

    def attach(self, name, device, router, host):
        subprocess.run(["ip", "netns", "add", f"{self.name}-{name}"], check=True)
        peer = f"{self.name}-{name}"
        self.ip("router", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", peer)
        self.ip("router", "address", "add", f"{router}/24", "dev", device)
        self.ip("router", "link", "set", device, "up")
        for args in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up")):
            self.ip(name, *args)
        self.ip(name, "address", "add", f"{host}/24", "dev", "eth0")
        self.ip(name, "route", "add", "default", "via", router)


@pytest.fixture(scope="module")
def module_lab():
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    with Surroundings(f"wh-alone-{os.getpid()}", options=["--masquerade"]) as one:
        yield one


def leaked(lab):
    return [frame.packet.summary() for wire in lab.leaks for frame in wire.frames() if not frame.outgoing]


@pytest.fixture(autouse=True)
def nothing_leaks(lab):
    leaked(lab)
    yield
    assert leaked(lab) == []


def left_to_kernel(daemon, reason):
    sample = f'wanhelm_kernel_packets_total{{reason="{reason}"}} '
    lines = daemon.cli("metrics").stdout.split("\n")
    return next(int(line.removeprefix(sample)) for line in lines if line.startswith(sample))


# --- without and with --------------------------------------------------------------------------------------------


def udp_exchange(lab, part, address, to_client=CLIENT):
    """What a host and the client see of one another: addresses, and the times to live."""
    host = open_socket(lab, part, bind=(address, 9000))
    client = open_socket(lab, "client", bind=(to_client, 41000))
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
    return udp_exchange(lab, "lan2", LAN2), tcp_exchange(lab, "lan2", LAN2)


def from_the_other_lan(lab):
    """Begun on a LAN that is none of wanhelm's, towards one that is."""
    client = open_socket(lab, "client", bind=(CLIENT, 9002))
    client.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    other = open_socket(lab, "lan2", bind=(LAN2, 42000))
    other.sendto(b"there", (CLIENT, 9002))
    seen = receive(client)
    client.sendto(b"back", seen[1])
    return seen, other.recvfrom(10)


def to_the_router(lab):
    """By any of its addresses, a WAN's too."""
    addresses = ROUTER, LAN2_ROUTER, wan_address(1), wan_address(2)
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


def by_a_route_of_its_own(lab):
    """By a WAN, but another than the default one: the kernel routes and translates it."""
    return udp_exchange(lab, "inet", ROUTED), tcp_exchange(lab, "inet", ROUTED)


def multicast(lab):
    member = open_socket(lab, "router", bind=(GROUP, 9003))
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(ROUTER))
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
    server = open_socket(lab, "router", bind=("fd77::1", 9004), family=socket.AF_INET6)
    client = open_socket(lab, "client", bind=("fd77::2", 41004), family=socket.AF_INET6)
    client.sendto(b"six", ("fd77::1", 9004))
    heard, seen = server.recvfrom(100)
    server.sendto(heard, seen)
    return heard, seen[:2], client.recv(100)


def gre(lab):
    """A protocol that is not steered: the kernel forwards it, and its own translation lets it past the guard."""
    server = open_socket(lab, "inet", socket.SOCK_RAW, GRE, bind=(SERVER, 0))
    client = open_socket(lab, "client", socket.SOCK_RAW, GRE)
    client.sendto(GRE_HEADER + b"inner", (SERVER, 0))
    there = server.recvfrom(100)
    server.sendto(GRE_HEADER + b"answer", (there[1][0], 0))
    return there[0][20:], there[1][0], client.recv(100)[20:]


LEFT_ALONE = [
    between_lans,
    from_the_other_lan,
    to_the_router,
    by_a_vpn,
    by_a_route_of_its_own,
    multicast,
    broadcast,
    ipv6,
    gre,
]


def test_left_alone(lab):
    """Asked without, with, and without again: what is asked must not depend on what was asked before."""
    without = {ask.__name__: ask(lab) for ask in LEFT_ALONE}
    daemon = start(lab)
    flows_before = daemon.json("flows", "--count")["flows"]
    with_us = {ask.__name__: ask(lab) for ask in LEFT_ALONE}
    assert with_us == without
    assert daemon.json("flows", "--count")["flows"] == flows_before == 0
    assert left_to_kernel(daemon, "kernel-route") > 20
    assert left_to_kernel(daemon, "kernel-proto") >= 1
    assert all(count == 0 for count in drops(daemon).values())
    daemon.cli("stop")
    assert {ask.__name__: ask(lab) for ask in LEFT_ALONE} == without


def test_answers_say_who_asked(lab):
    """That the comparison above compares something: who was seen, and how far away."""
    (there, back), _ = between_lans(lab)
    assert there == (b"there", (CLIENT, 41000), 63)
    assert back == (b"back", (LAN2, 9000), 63)
    assert by_a_route_of_its_own(lab)[1][0] == wan_address(2)
    assert multicast(lab) == ((b"to all", (CLIENT, 41003)), [])
    assert gre(lab) == (GRE_HEADER + b"inner", wan_address(1), GRE_HEADER + b"answer")
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
    """What the kernel forwards to a WAN with the client's own source: name → frames."""
    ether = Ether(src=mac(lab, "client", "lan"), dst=mac(lab, "router", "lan0"))
    plain = IP(src=CLIENT, dst=SERVER)
    datagram = plain / UDP(sport=43001, dport=9) / (b"f" * 64)
    return {
        "GRE": [ether / IP(src=CLIENT, dst=SERVER, proto=GRE) / (GRE_HEADER + b"inner")],
        "a session from before": [ether / plain / TCP(sport=43000, dport=9, flags="A", seq=1, ack=1)],
        "fragments": [ether / part for part in fragment(datagram, 40)],
        "a WAN's own route": [ether / IP(src=CLIENT, dst=ROUTED) / UDP(sport=43002, dport=9) / b"x"],
    }


def test_leak_guard(lab):
    daemon = start(lab)
    sent = forwarded_untranslated(lab)
    with without_masquerade(lab), Capture(lab, "client", "lan") as wire:
        for name, frames in sent.items():
            before = drops(daemon)["leak"]
            for frame in frames:
                wire.send(frame)
            wait_for(lambda n=before: drops(daemon)["leak"] > n, 3, f"{name} to be counted as a leak")
        assert leaked(lab) == []
        daemon.cli("stop")
        for frame in [frame for frames in sent.values() for frame in frames]:
            wire.send(frame)
        seen = []  # without wanhelm they do leave, so it was the guard that held them
        wait_for(lambda: seen.extend(leaked(lab)) or len(seen) >= 4, what="the kernel alone to let them out")


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
    daemon.wait_states(fiber="up")
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
