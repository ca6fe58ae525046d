# SPDX-License-Identifier: GPL-2.0
"""
TCP as RFC 5382, 7857 and 6888 have it: crossed openings, silence towards strangers, what a RST leaves behind; with
real sockets, so that it is the kernels at both ends that judge. docs/rfc.md says which test shows which row.
"""

import contextlib
import errno
import socket
import struct
import time

import pytest
from scapy.layers.inet import TCP

from inside import open_socket
from lab import wait_for
from wire import dial, exchange, mute, of, serve, wan_tap

LAB = {"wans": 2, "options": ["--no-offload"]}
UNANSWERED_S = 6


@pytest.fixture
def lab(running_lab):
    return running_lab


def bound(lab, family, part, port):
    """A socket that may share its port with a connection."""
    address = family.server if part == "inet" else family.any
    return open_socket(lab, part, socket.SOCK_STREAM, family=family.af, bind=(address, port))


def mapping(lab, family, port):
    """The external end of a client's port, shown to another server; the connection stays."""
    with serve(lab, family, 9010, family.server_at(9), socket.SOCK_STREAM) as listening:
        ours, theirs, end = dial(lab, family, listening, port=port)
        return ours, theirs, end


def begin(sock, to):
    sock.setblocking(False)
    assert sock.connect_ex(to) in (0, errno.EINPROGRESS)


def connected(sock):
    with contextlib.suppress(OSError):
        return bool(sock.getpeername())
    return False


def meet(client, server):
    """Two ends that have begun get through to one another."""
    wait_for(lambda: connected(client) and connected(server), 8, "both ends to be connected")
    for sock in (client, server):
        sock.setblocking(True)
        sock.settimeout(3)
    exchange(client, server)


def test_5382_req2_simultaneous_open(lab, family):
    """Both ends say SYN, neither listens: the client's is lost behind the router, the server's comes in."""
    ours, theirs, end = mapping(lab, family, 6100)
    first_syn = "tcp dport 9100 tcp flags & (syn | ack) == syn"
    with contextlib.ExitStack() as stack:
        stack.enter_context(mute(lab, "inet", first_syn))
        server = stack.enter_context(bound(lab, family, "inet", 9100))
        client = stack.enter_context(bound(lab, family, "client", 6100))
        wan = stack.enter_context(wan_tap(lab))
        begin(client, (family.server, 9100))
        wan.expect(of(family, TCP, dport=9100))
        begin(server, end)
        meet(client, server)
    ours.close(), theirs.close()


def test_5382_req4_unsolicited_syn_is_not_answered(lab, family):
    """Six seconds of silence, and a SYN of the client's at three makes a connection of it."""
    ours, theirs, end = mapping(lab, family, 6101)
    with contextlib.ExitStack() as stack:
        wan = stack.enter_context(wan_tap(lab))
        server = stack.enter_context(bound(lab, family, "inet", 9101))
        client = stack.enter_context(bound(lab, family, "client", 6101))
        begin(server, end)
        wan.silent(lambda p: answers(p, family, 9101), 3)
        begin(client, (family.server, 9101))
        meet(client, server)
    ours.close(), theirs.close()


def answers(packet, family, port):
    """A segment to that port of the server's, or an error about one of its."""
    told = family.error_of(packet)
    if told:
        return told[2].payload.sport == port
    return TCP in packet and packet[TCP].dport == port


def test_5382_req4_silence_for_six_seconds(lab, family):
    """A stranger's SYNs to a mapping: neither RST nor ICMP meanwhile, and the mapping's session is as ever."""
    ours, theirs, (_, port) = mapping(lab, family, 6102)
    with wan_tap(lab) as wan:
        for flags, sport in (("S", 9102), ("S", 9103)):
            wan.put(family.ip(family.phantom, family.wan(1)) / TCP(sport=sport, dport=port, flags=flags, seq=5))
        wan.silent(lambda p: answers(p, family, 9102) or answers(p, family, 9103), UNANSWERED_S)
    exchange(ours, theirs)
    ours.close(), theirs.close()


def abort(sock):
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_7857_s2_rst_is_translated_and_state_kept(lab, family):
    """The first RST is lost behind the router: what the server says then still finds the client; its second arrives."""
    with serve(lab, family, 9104, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan:
        ours, theirs, end = dial(lab, family, listening)
        with mute(lab, "inet", "tcp dport 9104 tcp flags & rst == rst"):
            abort(ours)
            lost = wan.expect(of(family, TCP, dport=9104, where=lambda p: "R" in p[TCP].flags))
            assert (lost.src, lost[TCP].sport) == end
        theirs.sendall(b"are you there?")
        again = wan.expect(of(family, TCP, dport=9104, where=lambda p: "R" in p[TCP].flags))
        assert (again.src, again[TCP].sport) == end
        with pytest.raises(ConnectionResetError):
            theirs.recv(10)


def test_7857_s2_rst_from_outside(lab, family):
    """It reaches the client; one with a sequence number out of the window ends nothing."""
    with serve(lab, family, 9105, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan:
        ours, theirs, end = dial(lab, family, listening)
        wan.put(family.ip(family.server, end[0]) / TCP(sport=9105, dport=end[1], flags="R", seq=12345))
        exchange(ours, theirs)
        abort(theirs)
        with pytest.raises(ConnectionResetError):
            ours.recv(10)


def test_syn_refused_by_the_server(lab, family):
    """Connection refused is said at once."""
    client = open_socket(lab, "client", socket.SOCK_STREAM, family=family.af)
    before = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        client.connect((family.server, 9106))
    assert time.monotonic() - before < 0.5


def test_half_closed(lab, family):
    """One side has said its last, the other goes on for as long as it likes."""
    with serve(lab, family, 9107, kind=socket.SOCK_STREAM) as listening:
        ours, theirs, _ = dial(lab, family, listening)
        ours.shutdown(socket.SHUT_WR)
        assert theirs.recv(10) == b""
        for _ in range(5):
            theirs.sendall(b"more")
            assert ours.recv(10) == b"more"
            time.sleep(0.1)
        theirs.close()
        assert ours.recv(10) == b""


def test_same_port_again_at_once(lab, family):
    """A new connection with the 5-tuple of one that has just ended."""
    with serve(lab, family, 9108, kind=socket.SOCK_STREAM) as listening:
        for _ in range(5):
            ours, theirs, _ = dial(lab, family, listening, port=6108)
            exchange(ours, theirs)
            abort(ours)
            with pytest.raises(ConnectionResetError):
                theirs.recv(10)
