# SPDX-License-Identifier: GPL-2.0
"""
Idle times as RFC 4787 REQ-5 and 6, 5382 REQ-5, 5508 REQ-2 and 7857 have them, with clocks that run a hundred or a
thousand times as fast: the controller divides its table of timers by WANHELM_TIMER_SCALE, the tests what they wait.
docs/rfc.md says which test shows which row.
"""

import contextlib
import socket
import time

import pytest
from scapy.layers.inet import TCP
from scapy.packet import Raw

from lab import wait_for
from steering import flows
from wire import Flow, client_tap, dial, error, exchange, icmp_type, mute, of, serve, start, udp, wan_tap

LAB = {"wans": 2, "options": ["--no-offload"]}
UDP_S, UDP_LEAST_S, QUERY_S, TRANSITORY_S, ESTABLISHED_S = 300, 119, 59, 240, 7440


def rest(seconds, scale):
    time.sleep(seconds / scale)


def reaches(server, flow, end):
    """Whether what the server says to the mapping gets to the client."""
    server.sendto(b"!", end)
    flow.sock.settimeout(0.15)
    try:
        return flow.hear()[0] == b"!"
    except TimeoutError:
        return False
    finally:
        flow.sock.settimeout(2)


@contextlib.contextmanager
def mapping(lab, family):
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        yield server, flow, flow.meet(server)


def gone(lab, **wanted):
    """There is no such flow any more."""
    wait_for(lambda: not flows(lab.daemon, **wanted), 15, f"the end of flows {wanted}")


def test_4787_req5_udp_timer(lab, family):
    """After 119 s of silence the mapping is there; in the end it goes."""
    start(lab, scale=100)
    with mapping(lab, family) as (server, flow, end):
        rest(UDP_LEAST_S, 100)
        assert reaches(server, flow, end)
        rest(UDP_S - 50, 100)
        assert flow.meet(server) == end
        gone(lab, proto="udp", src=family.client)
        assert not reaches(server, flow, end)


def test_4787_req6_outbound_refreshes(lab, family):
    """A datagram every 100 s, for ten minutes and more."""
    start(lab, scale=100)
    with mapping(lab, family) as (server, flow, end):
        for _ in range(8):
            rest(100, 100)
            flow.say()
            assert server.recvfrom(10)[1][:2] == end
        assert reaches(server, flow, end)


def test_7857_s5_inbound_that_is_dropped_does_not_refresh(lab, family):
    """Strangers, resets and errors from outside, every 60 s: the mapping ends all the same."""
    start(lab, scale=100)
    with mapping(lab, family) as (_, flow, end), wan_tap(lab) as wan:
        quote = udp(family, *end, family.server, 9000)
        began = time.monotonic()
        while flows(lab.daemon, proto="udp", src=family.client):
            assert time.monotonic() - began < 10 * UDP_S / 100, "it does not end"
            wan.put(udp(family, family.phantom, 999, *end))
            wan.put(family.ip(family.server_at(88), end[0]) / family.error("time") / Raw(bytes(quote)))
            rest(60, 100)
        assert flow.port


@pytest.fixture
def session(lab, family):
    """A segment by hand each way, so that no kernel repeats one: (client's tap, WAN's tap, external port)"""
    with contextlib.ExitStack() as stack:
        client, wan = stack.enter_context(client_tap(lab)), stack.enter_context(wan_tap(lab))
        stack.enter_context(mute(lab, "client", "tcp sport 9200"))
        yield Segments(family, client, wan)


class Segments:
    def __init__(self, family, client, wan, sport=6200):
        self.family, self.client, self.wan, self.sport, self.port = family, client, wan, sport, None

    def out(self, flags, **fields):
        """From the client; what of it is on the WAN."""
        tcp = TCP(sport=self.sport, dport=9200, flags=flags, **fields)
        self.client.put(self.family.ip(self.family.client, self.family.phantom) / tcp)
        seen = self.wan.expect(of(self.family, TCP, dport=9200))
        self.port = seen[TCP].sport
        return seen

    def back(self, flags, **fields):
        """From the server; whether the client gets it."""
        tcp = TCP(sport=9200, dport=self.port, flags=flags, **fields)
        self.wan.put(self.family.ip(self.family.phantom, self.family.wan(1)) / tcp)
        with contextlib.suppress(AssertionError):
            return bool(self.client.expect(of(self.family, TCP, sport=9200), 0.3))
        return False

    def establish(self):
        self.out("S", seq=100)
        assert self.back("SA", seq=500, ack=101)
        self.out("A", seq=101, ack=501)


def test_5382_req5_established(lab, family, session):
    """Two hours and four minutes of silence; then, in the end, it goes."""
    start(lab, scale=1000)
    session.establish()
    rest(ESTABLISHED_S - 600, 1000)
    assert session.back("A", seq=501, ack=101)
    gone(lab, proto="tcp", src=family.client)
    assert not session.back("A", seq=501, ack=101)


@pytest.mark.parametrize("how", ["half open", "closing"])
def test_5382_req5_transitory(lab, family, session, how):
    """Four minutes for what is not open yet, or no longer; and less than what is open gets."""
    start(lab, scale=100)
    if how == "half open":
        session.out("S", seq=100)
    else:
        session.establish()
        session.out("FA", seq=101, ack=501)
        assert session.back("FA", seq=501, ack=102)
        session.out("A", seq=102, ack=502)
    rest(TRANSITORY_S - 60, 100)
    assert session.back("SA" if how == "half open" else "A", seq=502, ack=102)
    began = time.monotonic()
    if how == "closing":
        gone(lab, proto="tcp", src=family.client)
        assert time.monotonic() - began < 3 * TRANSITORY_S / 100 + 3


def test_7857_s2_state_after_a_rst(lab, family, session):
    """A RST from inside, and it is kept for four minutes: the server's next segment comes in, a second RST goes out."""
    start(lab, scale=100)
    session.establish()
    session.out("R", seq=101)
    rest(TRANSITORY_S - 60, 100)
    assert session.back("A", seq=501, ack=101)
    session.out("R", seq=101)
    gone(lab, proto="tcp", src=family.client)


def test_7857_s6_rst_from_outside_does_not_refresh(lab, family, session):
    """A spoofed RST every minute neither ends an open connection at once nor keeps a closing one."""
    start(lab, scale=100)
    session.establish()
    session.back("R", seq=1)
    session.out("A", seq=101, ack=501)
    assert session.back("A", seq=501, ack=101)
    session.out("R", seq=101)
    began = time.monotonic()
    while flows(lab.daemon, proto="tcp", src=family.client):
        assert time.monotonic() - began < 10 * TRANSITORY_S / 100, "it does not end"
        session.back("R", seq=501)
        rest(30, 100)


def test_5508_req2_query_timer(lab, family):
    """An answer at 59 s is delivered."""
    start(lab, scale=100)
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(family.ip(family.client, family.phantom) / family.ping(77) / Raw(b"late"))
        asked = wan.expect(lambda p: echo(p, family))
        rest(QUERY_S, 100)
        wan.put(family.ip(family.phantom, family.wan(1)) / family.pong(asked.payload.id) / Raw(b"late"))
        assert client.expect(lambda p: echo(p, family)).payload.id == 77


def echo(packet, family):
    told = isinstance(packet, family.layer) and family.phantom in (packet.src, packet.dst) and icmp_type(packet)
    return bool(told) and not family.error_of(packet)


def test_5508_req6_errors_do_not_refresh(lab, family):
    """About an echo, every 20 s: it ends all the same."""
    start(lab, scale=100)
    proto = "icmp" if family.is4 else "icmpv6"
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(family.ip(family.client, family.phantom) / family.ping(78) / Raw(b"?"))
        asked = wan.expect(lambda p: echo(p, family))
        began = time.monotonic()
        while flows(lab.daemon, proto=proto, src=family.client):
            assert time.monotonic() - began < 10, "it does not end"
            wan.put(family.ip(family.server_at(88), family.wan(1)) / family.error("time") / Raw(bytes(asked)))
            rest(20, 100)
        client.come()
        wan.put(family.ip(family.server_at(88), family.wan(1)) / family.error("time") / Raw(bytes(asked)))
        client.silent(error(family, src=family.server_at(88)))


def test_traffic_in_one_direction_only(lab, family):
    """Answers that are welcome refresh what is open (RFC 4787 REQ-6 leaves it to us): a download outlives any timer."""
    start(lab, scale=1000)
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
        ours, theirs, _ = dial(lab, family, listening)
        for _ in range(9):
            theirs.sendall(b"chunk")
            assert ours.recv(100) == b"chunk"
            rest(1000, 1000)
        exchange(ours, theirs)
