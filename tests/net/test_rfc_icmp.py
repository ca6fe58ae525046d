# SPDX-License-Identifier: GPL-2.0
"""
ICMP and ICMPv6 as RFC 5508, 4787 REQ-12, 5382 REQ-9, 10, 1812 and 4443 have them: queries, errors in both directions
with what they quote, what may not come of them, and the errors that the router makes itself. docs/rfc.md says
which test shows which row. Errors about sizes are test_mtu.py's.
"""

import contextlib
import json
import re
import socket
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption
from scapy.packet import Raw

from inside import open_socket
from wire import (
    V4, Flow, client_tap, counting, dial, error, exchange, icmp_type, mute, noise, of, serve, settings, start, udp,
    wan_tap, whole,
)

LAB = {"wans": 2, "options": ["--no-offload"]}


@pytest.fixture
def lab(running_lab):
    return running_lab


class Session:
    """A datagram of a client's seen on the WAN, to the phantom server that the test speaks for."""

    def __init__(self, lab, family, stack, sport=5600):
        self.family = family
        self.client, self.wan = stack.enter_context(client_tap(lab)), stack.enter_context(wan_tap(lab))
        stack.enter_context(mute(lab, "client", "udp sport 9700"))
        self.sport, self.out = sport, None
        self.again()

    def again(self, load=b"question"):
        """The client's next datagram, as it is on the WAN."""
        self.client.put(udp(self.family, self.family.client, self.sport, self.family.phantom, 9700, load))
        self.out = whole(self.wan.expect(of(self.family, UDP, dport=9700)))
        assert self.out.src == self.family.wan(1)
        return self.out

    @property
    def port(self):
        return self.out[UDP].sport

    def answer(self, load=b"answer"):
        """A datagram to the mapping; whether the client gets it."""
        self.wan.put(udp(self.family, self.family.phantom, 9700, self.out.src, self.port, load))
        return self.client.expect(of(self.family, UDP, sport=9700, where=lambda p: bytes(p[UDP].payload) == load))

    def complain(self, name, quote=None, source=None, **fields):
        """An error about the last datagram, from a router on its way."""
        quote = quote or bytes(self.out)
        source = source or self.family.server_at(88)
        packet = self.family.ip(source, self.out.src) / self.family.error(name, **fields) / Raw(bytes(quote))
        self.wan.put(packet)


@pytest.fixture
def session(lab, family):
    with contextlib.ExitStack() as stack:
        yield Session(lab, family, stack)


# --- errors from outside -----------------------------------------------------------------------------------------

ERRORS = ["port", "host", "time", "parameter"]


@pytest.mark.parametrize("name", ERRORS)
def test_5508_req4_error_is_translated(session, family, name):
    """Outside in: to the client, about what the client sent; TTL one less; the quote as the client knows it."""
    session.complain(name)
    told = whole(session.client.expect(error(family, name)))
    assert (told.src, told.dst) == (family.server_at(88), family.client)
    assert (told.ttl if family.is4 else told.hlim) == 63
    quoted = family.error_of(told)[2]
    assert (quoted.src, quoted.dst) == (family.client, family.phantom)
    inner = quoted.payload
    assert (inner.sport, inner.dport) == (session.sport, 9700)
    assert inner.chksum == udp_sum(quoted, session)
    if family.is4:
        assert quoted.chksum == IP(bytes(remade_header(quoted))).chksum


def remade_header(quoted):
    header = quoted.copy()
    header.chksum = None
    return header


def udp_sum(quoted, session):
    """Of the datagram that the client sent."""
    sent = udp(session.family, quoted.src, session.sport, quoted.dst, 9700, b"question")
    return session.family.layer(bytes(sent))[UDP].chksum


def test_5508_req4_only_eight_bytes_quoted(session, family):
    """As much as a router of old says: the IP header and 64 bits."""
    header = 20 if family.is4 else 40
    session.complain("time", quote=bytes(session.out)[: header + 8])
    told = whole(session.client.expect(error(family, "time")))
    quoted = family.error_of(told)[2]
    assert (quoted.src, quoted.payload.sport) == (family.client, session.sport)


def test_5508_req4_udp_without_checksum_quoted(lab):
    """0 says that there is none, and says so afterwards."""
    with contextlib.ExitStack() as stack:
        session = Session(lab, V4, stack)
        quote = session.out.copy()
        quote[UDP].chksum = 0
        session.complain("port", quote=bytes(quote))
        assert V4.error_of(session.client.expect(error(V4, "port")))[2].payload.chksum == 0


def test_5508_req4_inner_options_are_skipped(lab):
    """IHL 15 in the quote: the ports stand after the options."""
    with contextlib.ExitStack() as stack:
        session = Session(lab, V4, stack)
        quote = IP(bytes(session.out))
        quote.options = [IPOption(b"\x07\x27\x28" + b"\0" * 36 + b"\0")]  # record route, full
        quote.ihl = quote.chksum = quote.len = None
        quote = IP(bytes(quote))
        assert quote.ihl == 15
        session.complain("time", quote=bytes(quote))
        told = whole(session.client.expect(error(V4, "time")))
        quoted = V4.error_of(told)[2]
        assert (quoted.ihl, quoted.src, quoted.payload.sport) == (15, V4.client, session.sport)
        assert quoted.chksum == IP(bytes(remade_header(quoted))).chksum


def test_5508_req3_bad_checksum_is_dropped(lab, session, family):
    message = family.error("time", **{"chksum" if family.is4 else "cksum": 0x1234})
    with counting(lab.daemon, "checksum"):
        session.wan.put(family.ip(family.server_at(88), session.out.src) / message / Raw(bytes(session.out)))
    session.client.silent(error(family, "time"))


def test_5508_req5_error_about_nothing_known(session, family):
    """It quotes a flow that there is not: nobody gets it."""
    stranger = udp(family, session.out.src, session.port, family.server_at(66), 1234)
    session.complain("port", quote=bytes(stranger))
    session.client.silent(error(family, src=family.server_at(88)))


@pytest.mark.parametrize("name", ERRORS)
def test_4787_req12_errors_end_no_mapping(session, name):
    """RFC 5508 REQ-6, too: after any error the mapping is what it was, both ways."""
    port = session.port
    for _ in range(3):
        session.complain(name)
    session.answer(b"still there")
    session.again()
    assert session.port == port


def test_5382_req10_errors_end_no_connection(lab, family):
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan, client_tap(lab) as client:
        ours, theirs, end = dial(lab, family, listening)
        sent = wan.expect(of(family, TCP, dport=9000))
        for name in ERRORS:
            quote = bytes(sent)[:20 + 8] if family.is4 else bytes(sent)[:40 + 8]
            wan.put(family.ip(family.server_at(88), end[0]) / family.error(name) / Raw(quote))
            told = client.expect(error(family, name))
            assert family.error_of(told)[2].payload.sport == ours.getsockname()[1]
        exchange(ours, theirs)
        assert theirs.getpeername()[:2] == end


def test_error_reaches_the_program(lab, family):
    """A port where nobody listens: the kernel at the server says so, and the client's socket hears it."""
    client = open_socket(lab, "client", family=family.af)
    client.connect((family.server, 9799))
    client.send(b"?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)


# --- errors from inside ------------------------------------------------------------------------------------------


def test_5508_req5_error_from_inside(lab, family):
    """A client has closed its port: the server's kernel hears so from the WAN's address, about what it sent itself."""
    with serve(lab, family) as server, wan_tap(lab) as wan:
        flow = Flow(lab, family)
        end = flow.meet(server)
        flow.close()
        server.connect(end)
        server.send(b"too late")
        told = whole(wan.expect(error(family, "port")))
        assert told.src == family.wan(1)
        quoted = family.error_of(told)[2]
        assert (quoted.src, quoted.dst, quoted.payload.dport) == (family.server, *end)
        with pytest.raises(ConnectionRefusedError):
            server.recv(10)


def test_5508_req5_error_from_inside_about_tcp(lab, family):
    """A host behind the client complains: the outer source is the WAN's too, and no inside address is told."""
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan, client_tap(lab) as client:
        ours, theirs, end = dial(lab, family, listening)
        theirs.sendall(b"x")
        got = client.expect(of(family, TCP, sport=9000, where=lambda p: len(p[TCP].payload) > 0))
        client.put(family.ip(family.client, family.server) / family.error("host") / Raw(bytes(got)[:60]))
        told = whole(wan.expect(error(family, "host")))
        quoted = family.error_of(told)[2]
        assert (told.src, quoted.dst, quoted.payload.dport) == (end[0], *end)
        assert ours.recv(1) == b"x"
        exchange(ours, theirs)


# --- queries -----------------------------------------------------------------------------------------------------


def test_5508_req1_echo(lab, family):
    """Two clients with one identifier; an error about an echo finds its asker too."""
    with contextlib.ExitStack() as stack:
        taps = [stack.enter_context(client_tap(lab, part)) for part in ("client", "client2")]
        wan = stack.enter_context(wan_tap(lab))
        idents = []
        for tap, address in zip(taps, (family.client, family.client2)):
            tap.put(family.ip(address, family.phantom) / family.ping(7, seq=3) / Raw(b"abcd"))
            asked = whole(wan.expect(lambda p: is_echo(p, family, family.phantom)))
            assert asked.src == family.wan(1)
            idents.append(asked.payload.id)
            assert asked.payload.seq == 3
        assert len(set(idents)) == 2
        for ident, tap in zip(idents, taps):
            wan.put(family.ip(family.phantom, family.wan(1)) / family.pong(ident, seq=3) / Raw(b"abcd"))
            came = whole(tap.expect(lambda p: is_echo(p, family, family.phantom)))
            assert came.payload.id == 7
        quote = family.ip(family.wan(1), family.phantom) / family.ping(idents[1], seq=3) / Raw(b"abcd")
        wan.put(family.ip(family.server_at(88), family.wan(1)) / family.error("time") / Raw(bytes(quote)))
        told = whole(taps[1].expect(error(family, "time")))
        quoted = family.error_of(told)[2]
        assert (quoted.src, quoted.payload.id) == (family.client2, 7)


def is_echo(packet, family, remote):
    told = isinstance(packet, family.layer) and icmp_type(packet)
    echo = (0, 8) if family.is4 else (128, 129)
    return bool(told) and told[0] in echo and remote in (packet.src, packet.dst)


# --- the router's own errors -------------------------------------------------------------------------------------


def test_1812_ttl_runs_out_here(lab, family):
    """Time exceeded from the LAN's address, about what the client sent; with TTL 2 it goes on with 1."""
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(udp(family, family.client, 5601, family.phantom, 9701, ttl=1))
        told = whole(client.expect(error(family, "time")))
        assert (told.src, told.dst) == (family.router, family.client)
        assert family.error_of(told)[2].payload.sport == 5601
        wan.silent(of(family, UDP, dport=9701))
        client.put(udp(family, family.client, 5601, family.phantom, 9701, ttl=2))
        went = wan.expect(of(family, UDP, dport=9701))
        assert (went.ttl if family.is4 else went.hlim) == 1


def test_1812_ttl_runs_out_for_an_answer(session, family):
    """From outside with TTL 1: not delivered; told from the WAN's address, about the mapping that was used."""
    packet = udp(family, family.phantom, 9700, session.out.src, session.port, ttl=1)
    session.wan.put(packet)
    session.client.silent(of(family, UDP, sport=9700))
    told = whole(session.wan.expect(error(family, "time")))
    assert told.src == family.wan(1)
    assert family.error_of(told)[2].dst == family.wan(1)


def test_1812_ttl_one_to_the_router_itself(lab, family):
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(family.ip(family.client, family.router, ttl=1) / family.ping(9) / Raw(b"x"))
        client.expect(lambda p: is_echo(p, family, family.router) and icmp_type(p)[0] in (0, 129))
        wan.put(family.ip(family.provider(1), family.wan(1), ttl=1) / family.ping(9) / Raw(b"x"))
        wan.expect(lambda p: is_echo(p, family, family.provider(1)) and icmp_type(p)[0] in (0, 129))


@pytest.mark.parametrize("case", ["error", "later fragment", "multicast", "martian"])
def test_1812_no_error_about(lab, case):
    """Never about errors, fragments but the first, what goes to many, or what nobody can have sent."""
    packet = {
        "error": lambda: V4.ip(V4.client, V4.phantom, ttl=1) / V4.error("port") / Raw(bytes(60)),
        "later fragment": lambda: V4.ip(V4.client, V4.phantom, ttl=1, frag=185, proto=17) / Raw(noise(64)),
        "multicast": lambda: udp(V4, V4.client, 5602, "224.9.9.9", 9702, ttl=1),
        "martian": lambda: udp(V4, "127.0.0.5", 5602, V4.phantom, 9702, ttl=1),
    }[case]()
    with client_tap(lab) as client:
        client.put(packet)
        client.silent(error(V4))


@pytest.mark.parametrize("source", ["127.0.0.5", "0.0.0.5", "240.0.0.5", "255.255.255.255", "224.0.0.5"])
def test_1812_martians(lab, source):
    with client_tap(lab) as client, wan_tap(lab) as wan:
        client.put(udp(V4, source, 5603, V4.phantom, 9703))
        client.put(udp(V4, V4.client, 5603, V4.phantom, 9704))  # and one that passes, so that it was waited for
        first = wan.expect(lambda p: UDP in p and p[UDP].dport in (9703, 9704))
        assert first[UDP].dport == 9704


def test_4443_errors_are_limited(lab, family):
    """A burst of what must be refused is not answered one by one."""
    with client_tap(lab) as client:
        client.flood(udp(family, family.client, 5604, family.phantom, 9705, ttl=1), 2000)
        time.sleep(0.3)
        told = len(client.come(error(family, "time")))
    assert 1 <= told < 1000


# --- traceroute --------------------------------------------------------------------------------------------------

WAYS = {1: "{prefer: [fiber, lte]}", 2: "{prefer: [lte, fiber]}"}


@pytest.fixture(params=WAYS)
def wan_number(lab, request):
    """Everything goes by this WAN, and nobody on the way is sparing with errors."""
    lab.daemon.stop()
    start(lab, settings(WAYS[request.param]))
    for part in ("router", "isp1", "isp2", "inet"):
        lab.run(part, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    yield request.param
    lab.run("router", "sysctl", "-qw", "net.ipv4.icmp_ratelimit=1000", "net.ipv6.icmp.ratelimit=1000")
    lab.daemon.stop()
    start(lab)


@pytest.mark.parametrize("kind", ["-U", "-I", "-T"])
def test_5508_req10_traceroute(lab, family, wan_number, kind):
    shown = lab.run("client", "traceroute", f"-{family.version}", "-n", kind, "-q", 1, "-w", 2, family.server).stdout
    hops = re.findall(r"^ *\d+ +(\S+)", shown, re.MULTILINE)
    assert hops == [family.router, family.provider(wan_number), family.server], shown


def test_5508_req10_mtr(lab, family, wan_number):
    told = lab.run("client", "mtr", f"-{family.version}", "-n", "--json", "-c", 2, "-i", 0.2, family.server).stdout
    hops = json.loads(told)["report"]["hubs"]
    assert [hop["host"] for hop in hops] == [family.router, family.provider(wan_number), family.server]
    assert all(float(hop["Loss%"]) == 0 for hop in hops)
