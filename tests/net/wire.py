# SPDX-License-Identifier: GPL-2.0
"""
wire.py: packets made and seen by hand on the lab's links, in both families alike, and the configuration that the
tests of RFC rows, programs, addresses and sizes share. Sockets and captures are inside.py's, labs lab.py's.
"""

import contextlib
import os
import select
import socket
import time

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from inside import Capture, is_silent, mac, open_socket
from lab import Family as Addresses
from lab import wait_for
from steering import drops, left_to_kernel

PORTS = range(20000, 32000)  # of translation, by default
OPEN = ", filtering: endpoint-independent"  # a WAN's, for settings()
TARGETS = "icmp:203.0.113.1", "icmp:203.0.113.2", "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"
FIREWALL = os.environ.get("WANHELM_FIREWALL", "kernel")  # the whole of these tests can run with another


class Family(Addresses):
    """And the layers of its packets."""

    def __init__(self, version):
        super().__init__(version)
        self.is4 = version == 4
        self.phantom = self.server_at(77)  # belongs to nobody: tests speak for it
        self.layer = IP if self.is4 else IPv6
        self.overhead = 20 if self.is4 else 40

    def ip(self, src, dst, ttl=64, **fields):
        hops = {"ttl": ttl} if self.is4 else {"hlim": ttl}
        return self.layer(src=src, dst=dst, **hops, **fields)

    def ping(self, ident, seq=1):
        return ICMP(type=8, id=ident, seq=seq) if self.is4 else ICMPv6EchoRequest(id=ident, seq=seq)

    def pong(self, ident, seq=1):
        return ICMP(type=0, id=ident, seq=seq) if self.is4 else ICMPv6EchoReply(id=ident, seq=seq)

    def error(self, name, **fields):
        """family.error("port"), family.error("too-big", mtu=1400): without the quote"""
        if self.is4:
            codes = {"port": (3, 3), "host": (3, 1), "time": (11, 0), "parameter": (12, 0), "too-big": (3, 4)}
            kind, code = codes[name]
            fields = {"nexthopmtu" if key == "mtu" else key: value for key, value in fields.items()}
            return ICMP(type=kind, code=code, **fields)
        layer, code = {
            "port": (ICMPv6DestUnreach, 4),
            "host": (ICMPv6DestUnreach, 3),
            "time": (ICMPv6TimeExceeded, 0),
            "parameter": (ICMPv6ParamProblem, 0),
            "too-big": (ICMPv6PacketTooBig, 0),
        }[name]
        return layer(code=code, **fields)

    def error_of(self, packet):
        """(name, next-hop MTU, quoted packet) of an ICMP error, None of anything else."""
        ip = packet.getlayer(self.layer)
        if ip is None or icmp_type(ip) is None:
            return None
        kind, code, body = icmp_type(ip)
        names = (
            {(3, 3): "port", (3, 1): "host", (11, 0): "time", (12, 0): "parameter", (3, 4): "too-big"}
            if self.is4
            else {(1, 4): "port", (1, 3): "host", (1, 0): "no-route", (1, 5): "source", (3, 0): "time",
                  (4, 0): "parameter", (2, 0): "too-big"}
        )
        if (not self.is4 and kind >= 128) or (self.is4 and kind in (0, 8, 13, 14)):
            return None
        mtu = int.from_bytes(body[6:8] if self.is4 else body[4:8], "big")
        return names.get((kind, code), f"{kind}/{code}"), mtu, self.layer(body[8:])


V4, V6 = Family(4), Family(6)
FAMILIES = [V4, V6]


def icmp_type(ip):
    """(type, code, the whole message), or None."""
    proto, body = (ip.proto, ip.payload) if isinstance(ip, IP) else (ip.nh, ip.payload)
    data = bytes(body)
    if proto not in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6) or len(data) < 8:
        return None
    return data[0], data[1], data


# --- the controller ----------------------------------------------------------------------------------------------


def settings(default="{prefer: [fiber, lte]}", wan="", fiber="", lte="", more=""):
    """
    Two WANs that both translate both families. `wan`, `fiber` and `lte` are further keys, as ", ports: 20000-20009".
    """
    nat6 = "" if "nat6" in wan else ", nat6: masquerade"
    targets = ", ".join(f'"{target}"' for target in TARGETS)
    return f"""
lan: [lan0]
firewall: {FIREWALL}
wans:
  fiber: {{device: wan1{nat6}{wan}{fiber}}}
  lte: {{device: wan2{nat6}{wan}{lte}}}
probes: {{default: {{targets: [{targets}]}}}}
failback: {{hold: 500ms}}
{more}
classes: {{default: {default}}}
"""


def start(lab, text=None, families=FAMILIES, scale=1):
    """The controller, its WANs up in each of the families."""
    with scaled(scale):
        daemon = lab.start_daemon(text or settings())
    for family in families:
        wait_for(lambda f=family: all(up(wan, f) for wan in daemon.status()["wans"]), 15, f"WANs up in {family}")
    return daemon


@contextlib.contextmanager
def scaled(scale):
    """What is started meanwhile divides its idle timers by that."""
    if scale != 1:
        os.environ["WANHELM_TIMER_SCALE"] = str(scale)
    try:
        yield
    finally:
        os.environ.pop("WANHELM_TIMER_SCALE", None)


def up(wan, family):
    return wan[f"v{family.version}"]["state"] == "up"


@contextlib.contextmanager
def counting(daemon, reason, at_least=1):
    """What happens inside is counted under that reason."""

    def count():
        return {**drops(daemon), **left_to_kernel(daemon)}[reason]

    before = count()
    yield
    wait_for(lambda: count() >= before + at_least, 3, f"{at_least} to be counted by {reason}")


@contextlib.contextmanager
def mute(lab, part, rule):
    """The kernel there does not see what comes in by an nft rule: it answers nothing, while taps still see it."""
    table = f"mute_{abs(hash(rule)) % 1000000}"
    chain = f"chain input {{ type filter hook input priority -300; {rule} drop; }}"
    lab.run(part, "nft", f"table inet {table} {{ {chain}; }}")
    try:
        yield
    finally:
        lab.run(part, "nft", "delete", "table", "inet", table)


# --- the wire ----------------------------------------------------------------------------------------------------


class Tap(Capture):
    """A device: what comes in by it as packets, and packets of one's own sent to the other end of its link."""

    def __init__(self, lab, part, device, peer_part, peer_device):
        super().__init__(lab, part, device)
        self.own, self.peer = mac(lab, part, device), mac(lab, peer_part, peer_device)

    def make(self, *packets):
        """Frames for put_made(): to make one takes much longer than to send it."""
        return [bytes(Ether(src=self.own, dst=self.peer) / packet) for packet in packets]

    def put_made(self, frames):
        for frame in frames:
            select.select([], [self.sock], [], 1)
            self.send(frame)

    def put(self, *packets):
        self.put_made(self.make(*packets))

    def flood(self, packet, count):
        """The same one many times, as fast as can be."""
        frame = bytes(Ether(src=self.own, dst=self.peer) / packet)
        for _ in range(count):
            with contextlib.suppress(BlockingIOError):
                self.send(frame)

    def come(self, wanted=lambda packet: True):
        """The packets that came in since the last call, without their Ethernet headers."""
        packets = [frame.packet.payload for frame in self.frames() if not frame.outgoing]
        return [packet for packet in packets if wanted(packet)]

    def expect(self, wanted, timeout_s=3):
        """The first such packet; those before it are forgotten."""
        deadline, others = time.monotonic() + timeout_s, []
        while time.monotonic() < deadline:
            for packet in self.come():
                if wanted(packet):
                    return packet
                others.append(packet.summary())
            select.select([self.sock], [], [], 0.02)
        raise AssertionError(f"it did not come; what came: {others[-20:]}")

    def silent(self, wanted, for_s=0.3):
        """Nothing such comes for a time."""
        end, came = time.monotonic() + for_s, []
        while time.monotonic() < end and not came:
            select.select([self.sock], [], [], 0.02)
            came = self.come(wanted)
        assert not came, came[0].summary()


def client_tap(lab, part="client"):
    return Tap(lab, part, "lan", "router", "lan0")


def wan_tap(lab, number=1):
    """The provider's end of a WAN: what the router sends comes in here."""
    return Tap(lab, f"isp{number}", "cust0", "router", f"wan{number}")


def of(family, proto=None, src=None, dst=None, sport=None, dport=None, where=lambda packet: True):
    """A condition for Tap.expect: of(V4, UDP, dst=SERVER, dport=9000)"""

    def wanted(packet):
        ip = packet if isinstance(packet, family.layer) else None
        if ip is None or (proto and proto not in packet) or src not in (None, ip.src) or dst not in (None, ip.dst):
            return False
        if proto in (TCP, UDP) and family.error_of(packet):
            return False  # it is in the quote
        ports = (sport, dport) == (None, None) or (
            sport in (None, packet[proto].sport) and dport in (None, packet[proto].dport)
        )
        return ports and where(packet)

    return wanted


def error(family, name=None, dst=None, src=None):
    """A condition for Tap.expect: an ICMP error."""

    def wanted(packet):
        told = family.error_of(packet)
        return bool(told) and name in (None, told[0]) and src in (None, packet.src) and dst in (None, packet.dst)

    return wanted


def whole(packet):
    """Its checksums are right, and so is its quote's IPv4 header. Returns it."""
    built = remade(packet)
    told = f"a checksum is wrong:\n{packet.show(dump=True)}\nshould be\n{built.show(dump=True)}"
    assert bytes(packet) == bytes(built), told
    return packet


def remade(packet):
    """The same packet with its own checksums made anew; padding of short frames is left out."""
    built = packet.copy()
    if isinstance(built, IP):
        built.chksum = None
    inner = built.payload
    for field in ("chksum", "cksum"):
        if hasattr(inner, "fields") and inner.fields.get(field) and not is_fragment(built):
            inner.fields[field] = None
    inner.raw_packet_cache = None
    built.raw_packet_cache = None
    return built.__class__(bytes(built))


def is_fragment(ip):
    return isinstance(ip, IP) and (ip.frag or ip.flags.MF)


# --- flows -------------------------------------------------------------------------------------------------------


class Flow:
    """A UDP socket of a client, and as whom the server knows it."""

    def __init__(self, lab, family, part="client", port=0, server=None, dport=9000):
        self.lab, self.family, self.part = lab, family, part
        self.sock = open_socket(lab, part, family=family.af, bind=(family.any, port))
        self.to = (server or family.server, dport)

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def say(self, text=b"?", to=None):
        self.sock.sendto(text, to or self.to)

    def hear(self):
        data, source = self.sock.recvfrom(1 << 16)
        return data, source[:2]

    def meet(self, server, tries=1):
        """A datagram to a server's socket and back; returns the flow's end as seen there."""
        self.say(to=server.getsockname()[:2])
        while tries > 1 and is_silent(server, 0.2):
            tries -= 1
            self.say(to=server.getsockname()[:2])
        _, seen = server.recvfrom(1 << 16)
        server.sendto(b"!", seen)
        assert self.hear()[0] == b"!"
        return seen[:2]

    def refused(self):
        """A datagram to the server, and the error that the socket hears of it."""
        level, option = (socket.IPPROTO_IP, 11) if self.family.is4 else (socket.IPPROTO_IPV6, 25)
        self.sock.setsockopt(level, option, 1)  # RECVERR: to hear also of what need not be the end
        self.sock.connect(self.to)
        self.sock.send(b"?")
        try:
            self.sock.recv(100)
        except OSError as error:
            return error.errno
        return None

    def close(self):
        self.sock.close()


def serve(lab, family, port=9000, address=None, kind=socket.SOCK_DGRAM):
    """A server's socket in the Internet; a TCP one listens."""
    sock = open_socket(lab, "inet", kind, bind=(address or family.server, port), family=family.af)
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def dial(lab, family, listening, part="client", port=0, timeout_s=3):
    """A TCP connection: both ends, and the client's as the server sees it."""
    ours = open_socket(lab, part, socket.SOCK_STREAM, family=family.af, timeout_s=timeout_s, bind=(family.any, port))
    ours.connect(listening.getsockname()[:2])
    theirs, seen = listening.accept()
    theirs.settimeout(timeout_s)
    return ours, theirs, seen[:2]


def reused(lab, family, part, port):
    """A TCP socket at a port where another one is connected."""
    sock = open_socket(lab, part, socket.SOCK_STREAM, family=family.af)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((family.any, port))
    return sock


def exchange(ours, theirs, text=b"hello"):
    """There and back over a connection."""
    ours.sendall(text)
    assert theirs.recv(1 << 16) == text
    theirs.sendall(text.upper())
    assert ours.recv(1 << 16) == text.upper()


def noise(length):
    """Octets of which no two pieces are alike."""
    return b"".join(n.to_bytes(4, "big") for n in range(length // 4 + 1))[:length]


def udp(family, src, sport, dst, dport, load=b"?", **fields):
    return family.ip(src, dst, **fields) / UDP(sport=sport, dport=dport) / Raw(load)
