# SPDX-License-Identifier: GPL-2.0
"""
A stream of small datagrams over long-lived sockets, and the server that echoes them together with when and
from where it got them. One line a datagram: {"flow", "seq", "sent_ns", "echoed_ns" or null, "arrived_ns", "wan"}.
"""

import select
import socket
import struct
import time

from common import NS, End, Output, add_client, add_server, family_of, open_socket, pack, unpack

ASKED = struct.Struct("!QQ")  # seq, sent_ns
ADDED = struct.Struct("!Q16sH")  # arrived_ns, address and port seen


def add_commands(commands):
    add_server(commands, "udp-server", 7, serve_echo, "echo datagrams, with the source that was seen")
    parser = add_client(commands, "udp-client", 7, 1000, stream, "stream of datagrams")
    parser.add_argument("--flows", type=int, default=1, metavar="N", help="sockets, used in turn (default 1)")


def serve_echo(args):
    output, end = Output(), End(args.duration)
    with socket.socket(family_of(args.bind), socket.SOCK_DGRAM) as sock:
        sock.bind((args.bind, args.port))
        sock.settimeout(0.1)
        output.event("ready")
        while not end.reached():
            try:
                data, sender = sock.recvfrom(2048)
                sock.sendto(data + ADDED.pack(time.monotonic_ns(), pack(sender[0]), sender[1]), sender)
            except OSError:  # nothing came, or the way back is broken: the client's account shows it
                continue


class Stream:
    """The client: sends on time, takes what comes, and at the end accounts for what did not."""

    def __init__(self, args):
        self.output, self.end = Output(), End(args.duration)
        self.gap_ns = int(NS / args.rate)
        self.grace_s = args.timeout
        self.poll = select.poll()
        self.socks = [self.open(args) for _ in range(args.flows)]
        self.flow_of = {sock.fileno(): flow for flow, sock in enumerate(self.socks)}
        self.waiting = {}  # (flow, seq) → sent_ns
        self.seq = 0

    def open(self, args):
        sock = open_socket(args)
        sock.setblocking(False)
        sock.connect((args.to, args.port))
        self.poll.register(sock, select.POLLIN)
        return sock

    def send(self):
        flow = self.seq % len(self.socks)
        now_ns = time.monotonic_ns()
        try:
            self.socks[flow].send(ASKED.pack(self.seq, now_ns))
        except OSError:  # an ICMP error of an earlier one, or no route: lost
            pass
        self.waiting[flow, self.seq] = now_ns
        self.seq += 1

    def receive(self, until_ns):
        wait_ms = max(0, until_ns - time.monotonic_ns()) / 1e6
        for fd, _ in self.poll.poll(wait_ms):
            flow = self.flow_of[fd]
            try:
                while True:
                    self.note(flow, self.socks[flow].recv(2048), time.monotonic_ns())
            except OSError:
                pass

    def note(self, flow, data, echoed_ns):
        seq, _ = ASKED.unpack_from(data)
        arrived_ns, address, _ = ADDED.unpack_from(data, ASKED.size)
        sent_ns = self.waiting.pop((flow, seq), None)
        if sent_ns is not None:
            self.tell(flow, seq, sent_ns, echoed_ns, arrived_ns=arrived_ns, wan=unpack(address))

    def tell(self, flow, seq, sent_ns, echoed_ns, **more):
        self.output.line(flow=flow, seq=seq, sent_ns=sent_ns, echoed_ns=echoed_ns, **more)

    def run(self):
        self.output.event("ready")
        next_ns = time.monotonic_ns()
        while not self.end.reached():
            self.receive(next_ns)
            if time.monotonic_ns() >= next_ns:
                self.send()
                next_ns += self.gap_ns
        last_ns = time.monotonic_ns() + int(self.grace_s * NS)
        while self.waiting and time.monotonic_ns() < last_ns:
            self.receive(last_ns)
        for (flow, seq), sent_ns in self.waiting.items():
            self.tell(flow, seq, sent_ns, None)
        self.output.flush()


def stream(args):
    Stream(args).run()
