# SPDX-License-Identifier: GPL-2.0
"""
inside.py: sockets in the parts of a lab, opened from the test's own process (a socket stays in the namespace that
it was made in), and through them what goes over a device (Capture). Labs and traffic programs are lab.py's.
"""

import contextlib
import ctypes
import errno
import json
import select
import socket
import struct
import time

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
ARPHRD_ETHER = 1
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("IIIHHHH")  # struct tpacket_auxdata
TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID = 1 << 3, 1 << 4

LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(lab, part):
    """The calling thread is in that part's network namespace."""
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/run/netns/{lab.name}-{part}", "rb") as there:
        set_netns(there)
        try:
            yield
        finally:
            set_netns(own)


def set_netns(namespace):
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def family_of(address):
    return socket.AF_INET6 if address and ":" in address[0] else socket.AF_INET


def open_socket(lab, part, kind=socket.SOCK_DGRAM, proto=0, bind=None, family=None, timeout_s=2):
    """The family is that of `bind` unless it is told."""
    family = family or family_of(bind)
    with inside(lab, part):
        sock = socket.socket(family, kind, proto)
    sock.settimeout(timeout_s)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bind:
        sock.bind(bind)
    return sock


def listen(lab, part, bind):
    sock = open_socket(lab, part, socket.SOCK_STREAM, bind=bind)
    sock.listen(16)
    return sock


def connect(lab, part, listening, to, bind=None, timeout_s=2):
    """Both ends of a new connection, and the address that the server sees."""
    ours = open_socket(lab, part, socket.SOCK_STREAM, bind=bind, family=family_of(to), timeout_s=timeout_s)
    ours.connect(to)
    theirs, seen = listening.accept()
    theirs.settimeout(timeout_s)
    return ours, theirs, seen


def mac(lab, part, device):
    return json.loads(lab.run(part, "ip", "-j", "link", "show", device).stdout)[0]["address"]


def is_silent(sock, for_s=0.3):
    """Whether nothing comes in for a time."""
    return not select.select([sock], [], [], for_s)[0]


class Frame:
    """
    What went over a device. The checksum of a partial one is left for the device to complete; of what came in, a VLAN's
    tag stands beside it (`vlan`, its number).
    """

    def __init__(self, data, outgoing, partial, ethernet=True, vlan=None):
        self.data, self.outgoing, self.partial, self.ethernet, self.vlan = data, outgoing, partial, ethernet, vlan

    @property
    def packet(self):
        if self.ethernet:
            return Ether(self.data)
        return IPv6(self.data) if self.data[0] >> 4 == 6 else IP(self.data)

    @property
    def ip(self):
        """Its IP header, of either family; None without."""
        packet = self.packet
        return packet[IP] if IP in packet else packet[IPv6] if IPv6 in packet else None


def from_prefix(prefix, length):
    """A filter program (classic BPF) that takes Ethernet frames with a source in the prefix, of at most 32 bits."""
    if ":" in prefix:
        kind, at, net = ETH_P_IPV6, 22, socket.inet_pton(socket.AF_INET6, prefix)[:4]
    else:
        kind, at, net = ETH_P_IP, 26, socket.inet_aton(prefix)
    mask = (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF
    return [
        (0x28, 0, 0, 12),  # the half word at 12, the protocol
        (0x15, 0, 4, kind),
        (0x20, 0, 0, at),  # the word of the source, its first
        (0x54, 0, 0, mask),
        (0x15, 0, 1, struct.unpack("!I", net)[0] & mask),
        (0x06, 0, 0, 0x40000),  # take it
        (0x06, 0, 0, 0),
    ]


class Capture:
    """with Capture(lab, "isp1", "cust0") as wire: …; wire.frames()"""

    def __init__(self, lab, part, device, program=None):
        with inside(lab, part):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            if program:
                self._attach(program)
            self.sock.bind((device, ETH_P_ALL))
            self.ethernet = self.sock.getsockname()[3] == ARPHRD_ETHER
        self.sock.setblocking(False)

    def _attach(self, program):
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
        self.sock.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code))
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, frame):
        self.sock.send(bytes(frame))

    def frames(self):
        """What was seen since the last call."""
        seen = []
        while True:
            try:
                data, extra, _, address = self.sock.recvmsg(1 << 17, socket.CMSG_SPACE(20))
            except BlockingIOError:
                return seen
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # said once, when the device goes down
                    raise
                continue
            status, _, _, _, _, tag, _ = AUXDATA.unpack(extra[0][2]) if extra else (0,) * 7
            outgoing = address[2] == socket.PACKET_OUTGOING
            vlan = tag & 0xFFF if status & TP_STATUS_VLAN_VALID else None
            seen.append(Frame(data, outgoing, bool(status & TP_STATUS_CSUMNOTREADY), self.ethernet, vlan))

    def wait(self, wanted, timeout_s=3):
        """The first frame of which wanted(frame), or None; those before it are forgotten."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for frame in self.frames():
                if wanted(frame):
                    return frame
            select.select([self.sock], [], [], 0.05)
        return None
