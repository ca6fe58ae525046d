# SPDX-License-Identifier: GPL-2.0
"""
Name look-ups at a steady pace, each from its own port, and a name server that answers every question for an
address with the one it was asked from (so that the client learns its WAN), or with --answer. Questions over IPv4
are for IPv4 addresses, over IPv6 for IPv6 ones.
"""

import ipaddress
import os
import socket
import socketserver
import struct

from common import Output, add_client, add_server, attempts, family_of, open_socket, plain, serve

HEADER = struct.Struct("!HHHHHH")
A, AAAA, IN = 1, 28, 1
ANSWER = struct.Struct("!HHHIH")  # name (as in the question), type, class, ttl, length; the address follows
RESPONSE, RECURSION = 0x8180, 0x0100


def add_commands(commands):
    parser = add_server(commands, "dns-server", 53, serve_names, "answer questions for addresses")
    parser.add_argument("--answer", metavar="ADDRESS", help="default: the address of who asks")
    parser = add_client(commands, "dns-client", 53, 10, look_up, "look-ups, each from its own port")
    parser.add_argument("--query", default="www.example.com", metavar="NAME")


def question_end(packet):
    """Behind name, type and class of the first question."""
    at = HEADER.size
    while packet[at]:
        at += 1 + packet[at]
    return at + 5


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        packet, sock = self.request
        try:
            identity, _, questions, *_ = HEADER.unpack_from(packet)
            end = question_end(packet)
            kind = struct.unpack_from("!H", packet, end - 4)[0]
        except (struct.error, IndexError):
            return
        address = ipaddress.ip_address(self.server.answer or plain(self.client_address[0]))
        own = A if address.version == 4 else AAAA
        answer = ANSWER.pack(0xC000 | HEADER.size, own, IN, 1, len(address.packed)) + address.packed
        answers = [answer] if questions and kind == own else []
        header = HEADER.pack(identity, RESPONSE, 1, len(answers), 0, 0)
        sock.sendto(header + packet[HEADER.size : end] + b"".join(answers), self.client_address)


class Server(socketserver.UDPServer):
    pass


def serve_names(args):
    Server.address_family = family_of(args.bind)
    with Server((args.bind, args.port), Handler) as server:
        server.answer = args.answer
        serve(server, Output(), args.duration)


def look_up(args):
    kind, size = (A, 4) if family_of(args.to) == socket.AF_INET else (AAAA, 16)
    name = b"".join(bytes([len(label)]) + label for label in args.query.encode().split(b".")) + b"\0"

    def attempt(timeout_s):
        identity = os.urandom(2)
        question = identity + HEADER.pack(0, RECURSION, 1, 0, 0, 0)[2:] + name + struct.pack("!HH", kind, IN)
        with open_socket(args) as sock:
            sock.settimeout(timeout_s)
            sock.connect((args.to, args.port))
            sock.send(question)
            answer = sock.recv(2048)
        if answer[:2] != identity or len(answer) != len(question) + ANSWER.size + size:
            raise ValueError("wrong answer")
        return str(ipaddress.ip_address(answer[-size:]))

    attempts(args, attempt)
