# SPDX-License-Identifier: GPL-2.0
"""
Fragments, in any order and both directions and families, and floods of such as belong to nothing: RFC 4787 REQ-14 and
RFC 6864 §5.3. What the router itself cuts up is test_mtu.py's. docs/rfc.md says which test shows which row.
"""

import contextlib
import os
import random

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw

from inside import is_silent
from lab import wait_for
from steering import drops
from wire import V4, Flow, client_tap, is_fragment, noise, of, serve, udp, wan_tap, whole

LAB = {"wans": 2, "options": ["--no-offload"]}

LENGTH = 4000  # of a datagram in pieces
FLOOD = 100_000


@pytest.fixture
def lab(running_lab):
    return running_lab


def cut(packet, ident, size=1200):
    """A packet in pieces."""
    if isinstance(packet, IP):
        packet.id = ident
        return [IP(bytes(piece)) for piece in fragment(packet, size)]
    body, pieces = bytes(packet)[40:], []
    for at in range(0, len(body), size):
        more = at + size < len(body)
        header = IPv6ExtHdrFragment(nh=packet.nh, offset=at // 8, m=int(more), id=ident)
        pieces.append(IPv6(src=packet.src, dst=packet.dst) / header / Raw(body[at : at + size]))
    return pieces


def ordered(pieces, order):
    pieces = list(pieces)
    if order == "reversed":
        pieces.reverse()
    elif order == "shuffled":
        random.Random(7).shuffle(pieces)
        assert not (is_first(pieces[0]))
    return pieces


def is_first(piece):
    return piece.frag == 0 if isinstance(piece, IP) else piece[IPv6ExtHdrFragment].offset == 0


def ident():
    return random.randrange(1, 1 << 16)


ORDERS = ["in order", "reversed", "shuffled"]


@pytest.mark.parametrize("order", ORDERS)
def test_4787_req14_out(lab, family, order):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(lab, family))
        flow = stack.enter_context(contextlib.closing(Flow(lab, family)))
        client = stack.enter_context(client_tap(lab))
        end, text = flow.meet(server), noise(LENGTH)
        whole_one = udp(family, family.client, flow.port, family.server, 9000, text)
        client.put(*ordered(cut(whole_one, ident()), order))
        data, seen = server.recvfrom(1 << 16)
        assert (data, seen[:2]) == (text, end)


@pytest.mark.parametrize("order", ORDERS)
def test_4787_req14_in(lab, family, order):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(lab, family))
        flow = stack.enter_context(contextlib.closing(Flow(lab, family)))
        wan = stack.enter_context(wan_tap(lab))
        end, text = flow.meet(server), noise(LENGTH)
        whole_one = udp(family, family.server, 9000, *end, text)
        wan.put(*ordered(cut(whole_one, ident()), order))
        assert flow.hear() == (text, (family.server, 9000))


@pytest.mark.parametrize("order", ORDERS)
def test_4787_req14_first_packet_of_a_flow(lab, family, order):
    """Nothing was sent before: the pieces themselves open the flow."""
    with serve(lab, family) as server, client_tap(lab) as client:
        text = noise(LENGTH)
        whole_one = udp(family, family.client, 5700 + ORDERS.index(order), family.server, 9000, text)
        client.put(*ordered(cut(whole_one, ident()), order))
        data, seen = server.recvfrom(1 << 16)
        assert (data, seen[0]) == (text, family.wan(1))


def test_4787_req14_by_the_kernels_themselves(lab, family):
    """Large datagrams and echoes as programs send them."""
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        flow.meet(server)
        for length in (1473, 8000, 60000):
            text = os.urandom(length)
            flow.say(text)
            data, seen = server.recvfrom(1 << 16)
            assert data == text
            server.sendto(text, seen)
            assert flow.hear()[0] == text
    shown = lab.run("client", "ping", f"-{family.version}", "-n", "-c", 3, "-i", 0.05, "-s", 5000, family.server).stdout
    assert " 0% packet loss" in shown


def test_6864_ids_of_two_hosts_do_not_meet(lab):
    """Two clients, one identifier, one server: behind the router they are told apart, and both arrive whole."""
    with contextlib.ExitStack() as stack:
        server, wan = stack.enter_context(serve(lab, V4)), stack.enter_context(wan_tap(lab))
        parts = {"client": V4.client, "client2": V4.client2}
        taps = {part: stack.enter_context(client_tap(lab, part)) for part in parts}
        texts = {part: os.urandom(LENGTH) for part in parts}
        pieces = [
            (taps[part], piece)
            for part, address in parts.items()
            for piece in cut(udp(V4, address, 5710, V4.server, 9000, texts[part]), 4242)
        ]
        for tap, piece in pieces[::4] + pieces[1::4] + pieces[2::4] + pieces[3::4]:
            tap.put(piece)
        assert {server.recvfrom(1 << 16)[0] for _ in parts} == set(texts.values())
        idents = {packet.id for packet in wan.come(lambda p: isinstance(p, IP) and is_fragment(p))}
        assert len(idents) == 2


@pytest.mark.parametrize("df", [0, 1])
def test_6864_df_is_left_as_it_is(lab, df):
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(udp(V4, V4.client, 5711, V4.phantom, 9711, flags="DF" if df else 0, id=77))
        went = whole(wan.expect(of(V4, UDP, dport=9711)))
        assert int(went.flags.DF) == df


def test_orphans_are_not_delivered(lab, family):
    """Later pieces of which the first never comes, to a mapping that there is."""
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        end = flow.meet(server)
        with wan_tap(lab) as wan, client_tap(lab) as client:
            wan.put(*cut(udp(family, family.server, 9000, *end, noise(LENGTH)), ident())[1:])
            client.silent(lambda p: isinstance(p, family.layer) and p.src == family.server)
        assert is_silent(flow.sock, 0)


def orphans(family, source, destination):
    """So many later fragments of so many packets, as frames without Ethernet header."""
    piece = cut(udp(family, source, 9000, destination, 9000, noise(1600)), 1, 800)[1]
    data = bytearray(bytes(piece))
    at = 4 if family.is4 else 44
    for n in range(FLOOD):
        data[at : at + 2] = (n & 0xFFFF).to_bytes(2, "big")
        if family.is4:
            data[10:12] = b"\0\0"
            data[10:12] = ones_sum(data[:20]).to_bytes(2, "big")
        else:
            data[46:48] = (n >> 16).to_bytes(2, "big")
        yield bytes(data)


def ones_sum(header):
    total = sum(int.from_bytes(header[n : n + 2], "big") for n in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def flood(tap, family, frames):
    head = bytes.fromhex((tap.peer + tap.own).replace(":", "")) + (b"\x08\0" if family.is4 else b"\x86\xdd")
    for frame in frames:
        with contextlib.suppress(BlockingIOError, OSError):
            tap.sock.send(head + frame)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_4787_req14_flood_of_orphans(lab, family, direction):
    """A hundred thousand of them: what was there goes on meanwhile, and pieces of new packets are whole after."""
    before = sum(drops(lab.daemon)[reason] for reason in ("fragment", "slow-full"))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(lab, family))
        old = stack.enter_context(contextlib.closing(Flow(lab, family)))
        end = old.meet(server)
        if direction == "in":
            tap, ends = stack.enter_context(wan_tap(lab)), (family.server, family.wan(1))
        else:
            tap, ends = stack.enter_context(client_tap(lab, "client2")), (family.client2, family.phantom)
        frames = orphans(family, *ends)
        for _ in range(10):
            flood(tap, family, (next(frames) for _ in range(FLOOD // 10)))
            assert old.meet(server) == end
        new = stack.enter_context(contextlib.closing(Flow(lab, family)))
        text = os.urandom(LENGTH)

        def arrives():
            while not is_silent(server, 0):
                server.recvfrom(1 << 16)
            new.say(text)
            return not is_silent(server, 0.3) and server.recvfrom(1 << 16)

        data, seen = wait_for(arrives, 10, "fragments after the flood")
        assert data == text
        server.sendto(text, seen)
        assert new.hear()[0] == text
    if direction == "in":
        assert sum(drops(lab.daemon)[reason] for reason in ("fragment", "slow-full")) > before + FLOOD // 2
