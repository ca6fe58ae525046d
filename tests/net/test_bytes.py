# SPDX-License-Identifier: GPL-2.0
"""
What is on the wire, byte by byte, before and behind the router: only what translation and forwarding must change
has changed. Each test runs on links with offloads (checksums partial, packets of up to 64 KiB) and without, and once
where no packet passes the kernel's firewall; those of sockets in both families.
"""

import contextlib
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from inside import Capture, Frame, connect, listen, mac, open_socket
from lab import CLIENT, FAMILIES, SERVER, Lab, wait_for, wan_address
from steering import drops, figure, start

PORTS = range(20000, 32000)  # of translation, by default
IN_RANGE, OUT_OF_RANGE = 23456, 45678
UDP_SEGMENT = 103  # of linux/udp.h
ECHO = {4: (socket.IPPROTO_ICMP, ICMP), 6: (socket.IPPROTO_ICMPV6, ICMPv6EchoRequest)}

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)


@pytest.fixture(scope="module", params=["offload", "no-offload", "bypass"])
def module_lab(request):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    options = ["--no-offload"] if request.param == "no-offload" else []
    with Lab(f"wh-bytes-{os.getpid()}", options=options) as one:
        start(one, firewall="bypass" if request.param == "bypass" else "kernel")
        one.offload = not options
        one.macs = {
            "client": mac(one, "client", "lan"),
            "lan": mac(one, "router", "lan0"),
            "wan": mac(one, "router", "wan1"),
            "gateway": mac(one, "isp1", "cust0"),
        }
        yield one


@pytest.fixture
def lab(module_lab):
    """One controller for all tests here: none of them changes what it decides."""
    return module_lab


class Wires:
    """Both sides of the router, and what of one protocol went over them."""

    def __init__(self, lab, stack):
        self.client = stack.enter_context(Capture(lab, "client", "lan"))
        self.isp = stack.enter_context(Capture(lab, "isp1", "cust0"))

    def collect(self, proto, server):
        """{"out": (before, behind), "back": (before, behind)}: lists of frames"""
        client = [f for f in self.client.frames() if is_of(f.packet, proto, server)]
        isp = [f for f in self.isp.frames() if is_of(f.packet, proto, server)]
        return {
            "out": ([f for f in client if f.outgoing], [f for f in isp if not f.outgoing]),
            "back": ([f for f in isp if f.outgoing], [f for f in client if not f.outgoing]),
        }


@pytest.fixture
def wires(lab):
    with contextlib.ExitStack() as stack:
        yield Wires(lab, stack)


def is_of(packet, proto, server):
    if IP in packet:
        return packet[IP].proto == proto and server in (packet[IP].src, packet[IP].dst)
    return IPv6 in packet and packet[IPv6].nh == proto and server in (packet[IPv6].src, packet[IPv6].dst)


def pseudo_sum(ip):
    """What stands in the checksum's place of a packet whose checksum the device will complete."""
    if ip.version == 4:
        af, proto, length = socket.AF_INET, ip.proto, ip.len - 4 * ip.ihl
    else:
        af, proto, length = socket.AF_INET6, ip.nh, ip.plen
    addresses = socket.inet_pton(af, ip.src) + socket.inet_pton(af, ip.dst)
    total = sum(struct.unpack(f"!{len(addresses) // 2}H", addresses)) + proto + length
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def expected(frame, macs, address, port):
    """
    The frame as it must come out behind the router: new MACs, time to live less one, the client's end (the source
    on the way out, the destination on the way back) replaced, checksums made anew, and no other byte touched.
    """
    packet = frame.packet
    packet.src, packet.dst = macs
    ip = packet.payload
    outwards = ip.src in {family.client for family in FAMILIES}
    setattr(ip, "src" if outwards else "dst", address)
    if ip.version == 4:
        ip.ttl -= 1
        del ip.chksum
    else:
        ip.hlim -= 1
    l4 = ip.payload
    setattr(l4, port_field(l4, outwards), port)
    if frame.partial:
        put_sum(l4, pseudo_sum(ip))
    elif not isinstance(l4, UDP) or l4.chksum != 0:
        put_sum(l4, None)
    return bytes(packet)


def is_echo(l4):
    return isinstance(l4, (ICMP, ICMPv6EchoRequest, ICMPv6EchoReply))


def port_field(l4, outwards):
    """Of an echo, the identifier, either way."""
    return "id" if is_echo(l4) else "sport" if outwards else "dport"


def put_sum(l4, value):
    """None: to be computed."""
    setattr(l4, "cksum" if "cksum" in l4.fields else "chksum", value)


def source_port(packet):
    l4 = packet.payload.payload
    return getattr(l4, port_field(l4, True))


def check_all(lab, ip, seen):
    """Each frame before is the expected one behind, in order; returns the external port."""
    out_before, out_behind = seen["out"]
    back_before, back_behind = seen["back"]
    own = source_port(out_before[0].packet)
    port = source_port(out_behind[0].packet)
    assert port in PORTS
    macs_out = lab.macs["wan"], lab.macs["gateway"]
    macs_back = lab.macs["lan"], lab.macs["client"]
    assert [f.data for f in out_behind] == [expected(f, macs_out, ip.wan(1), port) for f in out_before]
    assert [f.data for f in back_behind] == [expected(f, macs_back, ip.client, own) for f in back_before]
    return port


def is_partial_as_sent(lab, frames):
    """So that with offloads the partial checksums are tested, and without the whole ones."""
    return all(f.partial == lab.offload for f in frames)


@families
@pytest.mark.parametrize("own", [IN_RANGE, OUT_OF_RANGE])
def test_udp(lab, wires, own, ip):
    server = open_socket(lab, "inet", bind=(ip.server, 9000))
    client = open_socket(lab, "client", bind=(ip.client, own))
    for payload in (b"a", b"odd", b"even", os.urandom(1400)):
        client.sendto(payload, (ip.server, 9000))
        heard, seen_address = server.recvfrom(2000)
        assert heard == payload
        server.sendto(payload[::-1], seen_address)
        assert client.recv(2000) == payload[::-1]
    seen = wires.collect(socket.IPPROTO_UDP, ip.server)
    assert [len(frames) for frames in (*seen["out"], *seen["back"])] == [4] * 4
    assert is_partial_as_sent(lab, seen["out"][1])
    assert check_all(lab, ip, seen) == (own if own in PORTS else seen_address[1])


@families
@pytest.mark.parametrize("own", [IN_RANGE, OUT_OF_RANGE])
def test_tcp(lab, wires, own, ip):
    """With options, data both ways, and the end."""
    server = listen(lab, "inet", (ip.server, 9001))
    client = open_socket(lab, "client", socket.SOCK_STREAM, bind=(ip.client, own))
    client.connect((ip.server, 9001))
    peer, _ = server.accept()
    client.sendall(b"question")
    assert peer.recv(100) == b"question"
    peer.sendall(b"an answer")
    assert client.recv(100) == b"an answer"
    client.close()
    assert peer.recv(100) == b""
    peer.close()
    server.close()
    seen = wires.collect(socket.IPPROTO_TCP, ip.server)
    wait_for(lambda: merge(seen, wires.collect(socket.IPPROTO_TCP, ip.server)), what="the last segment")
    assert len(seen["out"][0]) >= 4 and len(seen["back"][0]) >= 3
    check_all(lab, ip, seen)


def merge(seen, more):
    """Add what came later; whether each frame that went in has come out."""
    for way, pair in more.items():
        for frames, new in zip(seen[way], pair):
            frames.extend(new)
    return all(len(before) == len(behind) for before, behind in seen.values())


@families
def test_echo(lab, wires, ip):
    proto, request = ECHO[ip.version]
    client = open_socket(lab, "client", socket.SOCK_RAW, proto, bind=(ip.client, 0))
    for sequence in range(3):
        client.sendto(bytes(request(id=OUT_OF_RANGE, seq=sequence) / Raw(b"echo!" * 3)), (ip.server, 0))
        while b"echo!" not in client.recv(100):  # neighbours' questions come here, too
            pass
    seen = wires.collect(proto, ip.server)
    assert [len(frames) for frames in (*seen["out"], *seen["back"])] == [3] * 4
    check_all(lab, ip, seen)


CRAFTED = {
    "UDP without checksum": IP(id=0x1234) / UDP(sport=40001, dport=9, chksum=0) / Raw(b"none"),
    "UDP with IP options": IP(id=7, options=[IPOption(b"\x94\x04\x00\x00")]) / UDP(sport=40002, dport=9) / Raw(b"x"),
    "DSCP, ECN, DF": IP(id=0xFFFF, tos=0xBA, flags="DF") / UDP(sport=40003, dport=9) / Raw(b"y" * 100),
    "TCP SYN with options": IP(id=0x4321)
    / TCP(sport=40004, dport=9, flags="SEC", options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0))]),
    "TCP SYN with data": IP(id=0) / TCP(sport=40005, dport=9, flags="S", urgptr=77) / Raw(b"fast open"),
    "time to live of 2": IP(ttl=2, id=9) / UDP(sport=40006, dport=9) / Raw(b"last hop but one"),
    "echo": IP(id=10) / ICMP(id=40007, seq=513) / Raw(b"odd"),
}


def whose_sum_is_zero(source):
    """UDP writes a checksum of 0 as 0xffff, because 0 means none: the payload is chosen so that it comes to that."""
    packet = IP(src=source, dst=SERVER, id=11) / UDP(sport=24001, dport=9) / Raw(b"\0\0")
    packet[Raw].load = struct.pack("!H", IP(bytes(packet))[UDP].chksum)
    assert IP(bytes(packet))[UDP].chksum == 0xFFFF
    return packet


CRAFTED["UDP checksum 0xffff before"] = whose_sum_is_zero(CLIENT)
CRAFTED["UDP checksum 0xffff behind"] = whose_sum_is_zero(wan_address(1))


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted(lab, wires, name):
    """What a socket would not send, with whole checksums whatever the links do."""
    packet = CRAFTED[name].copy()
    packet.src, packet.dst = CLIENT, SERVER
    sent = bytes(Ether(src=lab.macs["client"], dst=lab.macs["lan"]) / packet)
    wires.client.send(sent)
    behind = wires.isp.wait(lambda f: not f.outgoing and is_of(f.packet, packet.proto, SERVER))
    assert behind, "it did not arrive"
    before = Frame(sent, True, False)
    port = source_port(behind.packet)
    assert port in PORTS
    assert behind.data == expected(before, (lab.macs["wan"], lab.macs["gateway"]), wan_address(1), port)


@families
def test_one_port_for_all_servers(lab, ip):
    """Endpoint-independent mapping: one socket shows one address and port to everybody."""
    client = open_socket(lab, "client", bind=(ip.any, 0))
    seen = set()
    for address in (ip.server, ip.server_at(9), ip.server_at(8)):
        server = open_socket(lab, "inet", bind=(address, 9002))
        for port in (9002, 9003):
            other = server if port == 9002 else open_socket(lab, "inet", bind=(address, port))
            client.sendto(b"who am I?", (address, port))
            seen.add(other.recvfrom(100)[1][:2])
    assert len(seen) == 1
    second = open_socket(lab, "client", bind=(ip.any, 0))
    server = open_socket(lab, "inet", bind=(ip.server, 9004))
    second.sendto(b"and I?", (ip.server, 9004))
    assert server.recvfrom(100)[1][:2] not in seen


def receive_all(sock, digest):
    while chunk := sock.recv(1 << 16):
        digest.update(chunk)
    sock.close()


@families
@pytest.mark.parametrize("direction", ["up", "down"])
def test_bulk_tcp_arrives_whole(lab, wires, direction, ip):
    """32 MiB of noise; with offloads in packets larger than any MTU."""
    listening = listen(lab, "inet", (ip.server, 9005))
    client, server, _ = connect(lab, "client", listening, (ip.server, 9005))
    sender, receiver = (client, server) if direction == "up" else (server, client)
    noise, heard = os.urandom(1 << 20), hashlib.sha256()
    reader = threading.Thread(target=receive_all, args=(receiver, heard))
    reader.start()
    sent = hashlib.sha256()
    for _ in range(32):
        sender.sendall(noise)
        sent.update(noise)
    sender.close()
    reader.join(20)
    assert heard.digest() == sent.digest()
    largest = max(len(f.data) for f in wires.isp.frames())
    assert (largest > 10000) == lab.offload
    assert drops(lab.daemon)["too-big"] == 0


def received(lab):
    """Bytes and packets that the provider had from the router."""
    shown = lab.run("isp1", "ip", "-j", "-s", "link", "show", "cust0").stdout
    counted = json.loads(shown)[0]["stats64"]["rx"]
    return counted["bytes"], counted["packets"]


def test_iperf(lab):
    """The throughput is told, not judged."""
    before = received(lab)
    server = lab.command("inet", "iperf3", "--server", "--one-off", "--bind", SERVER)
    with subprocess.Popen(server, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: "5201" in lab.run("inet", "ss", "-Hltn").stdout, what="iperf3 to listen")
            shown = lab.run("client", "iperf3", "--json", "--time", 1, "--client", SERVER).stdout
        finally:
            process.terminate()
    end = json.loads(shown)["end"]
    octets, packets = (now - then for now, then in zip(received(lab), before))
    figure(
        f"iperf3 TCP, {'with' if lab.offload else 'without'} offloads",
        gbit_s=f"{end['sum_received']['bits_per_second'] / 1e9:.2f}",
        mean_frame=octets // packets,
        retransmits=end["sum_sent"]["retransmits"],
    )
    assert end["sum_received"]["bytes"] > 0
    assert (octets // packets > 2000) == lab.offload
    assert drops(lab.daemon)["too-big"] == 0


@families
def test_udp_segmentation(lab, ip):
    """One send of ten datagrams, cut by the kernel on its way or at its end."""
    server = open_socket(lab, "inet", bind=(ip.server, 9006))
    client = open_socket(lab, "client", bind=(ip.any, 0))
    client.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1400)
    noise = os.urandom(10 * 1400)
    with Capture(lab, "isp1", "cust0") as wire:
        client.sendto(noise, (ip.server, 9006))
        assert b"".join(server.recv(2000) for _ in range(10)) == noise
        arrived = [f for f in wire.frames() if not f.outgoing and is_of(f.packet, socket.IPPROTO_UDP, ip.server)]
    assert len(arrived) == (1 if lab.offload else 10)
    assert drops(lab.daemon)["too-big"] == 0
