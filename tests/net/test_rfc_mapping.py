# SPDX-License-Identifier: GPL-2.0
"""
Mapping and filtering as RFC 4787, 5382, 6056 and 6888 have it, with several clients and servers, in both families.
docs/rfc.md says which test shows which row. Packets are never looked at where a socket can tell.
"""

import contextlib
import errno
import socket
import statistics

import pytest
from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest

from inside import is_silent, open_socket
from lab import LabError, wait_for
from steering import flows
from wire import (
    FAMILIES, OPEN, PORTS, Flow, client_tap, counting, dial, error, exchange, mute, of, reused, serve, settings,
    start, udp, wan_tap, whole,
)

LAB = {"wans": 2, "options": ["--no-offload"]}

FEW = ", ports: 20000-20255"


@pytest.fixture(scope="module", params=FAMILIES, ids=str)
def family(request):
    return request.param


@pytest.fixture
def flow(lab, family):
    """flow("client2", port=5000, …): a socket of a client's"""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(contextlib.closing(Flow(lab, family, *args, **kwargs)))


@pytest.fixture
def server(lab, family):
    """server(9000): a socket in the Internet"""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(serve(lab, family, *args, **kwargs))


# --- mapping -----------------------------------------------------------------------------------------------------


def shown(flow, servers):
    return {flow.meet(one) for one in servers}


def test_4787_req1_endpoint_independent_mapping(lab, family, flow, server):
    start(lab)
    servers = [server(port, family.server_at(n)) for n in (8, 9, 10) for port in (9000, 9001)]
    first, second = flow(), flow()
    assert len(shown(first, servers)) == 1
    assert not shown(first, servers) & shown(second, servers)


def test_5382_req1_one_port_for_tcp_too(lab, family, server):
    start(lab)
    seen = set()
    for n in (8, 9, 10):
        listening = server(9000, family.server_at(n), socket.SOCK_STREAM)
        _, _, end = dial(lab, family, listening, port=41000)
        seen.add(end)
    assert len(seen) == 1


def test_4787_req2_one_address_for_a_host(lab, family, flow, server):
    """Whatever the share of each WAN: a hundred flows to servers that by affinity go either way are told apart."""
    start(lab, settings("{balance: {fiber: 50, lte: 50}, affinity: src}"))
    servers = [server(9000, family.server_at(n)) for n in range(1, 11)]
    seen = [flow().meet(servers[n % 10]) for n in range(100)]
    assert len({address for address, _ in seen}) == 1
    assert len({port for _, port in seen}) == 100


def test_4787_req3_no_port_overloading(lab, family, flow, server):
    start(lab)
    far = server()
    ends = [flow(part, port=port).meet(far) for part in ("client", "client2") for port in (5000, 23000, 61000)]
    assert len(set(ends)) == 6
    assert {port for _, port in ends} <= set(PORTS)
    assert ends[1][1] == 23000, "a source port inside the range is kept"


def test_5382_req7_no_port_overloading_for_tcp(lab, family, server):
    start(lab)
    listening = server(kind=socket.SOCK_STREAM)
    ends = [dial(lab, family, listening, part, port=42000)[2] for part in ("client", "client2")]
    assert ends[0][0] == ends[1][0]
    assert ends[0][1] != ends[1][1]


def taken(count, flow, far):
    """So many external ports in use by client2."""
    assert len({flow("client2", port=20000 + n).meet(far) for n in range(count)}) == count


def test_4787_req11_the_same_when_ports_are_scarce(lab, family, flow, server):
    """With 95 ports in 100 in use, mapping and filtering are what they are with plenty; finding one may take tries."""
    start(lab, settings(wan=FEW))
    near, far, third = server(9000), server(9001, family.server_at(9)), server(9002, family.server_at(8))
    taken(243, flow, near)
    clients = [flow(port=port) for port in (20000, 20001, 50000)]
    ends = [one.meet(near, tries=10) for one in clients]
    assert len(set(ends)) == 3
    assert [one.meet(far) for one in clients] == ends
    for one, end in zip(clients, ends):
        third.sendto(b"unasked", end)
        assert is_silent(one.sock)


def port_of(packet):
    if UDP in packet:
        return packet[UDP].sport
    return packet[ICMP].id if ICMP in packet else packet[ICMPv6EchoRequest].id


def test_6056_hard_to_guess_ports(lab, family):
    """Ports of endpoints whose own cannot be kept: spread over the range, and no run of neighbours."""
    start(lab)
    client, wan = client_tap(lab), wan_tap(lab)
    count, ports = 2000, []
    with client, wan, mute(lab, "client", "meta l4proto icmp"):
        for n in range(count):
            client.put(udp(family, family.client, 40000 + n, family.phantom, 9000))
            if n % 100 == 99:
                wait_for(lambda: ports.extend(map(port_of, wan.come(of(family, UDP, dport=9000)))) or len(ports) > n)
    assert len(set(ports)) == count
    assert set(ports) <= set(PORTS)
    steps = [after - before for before, after in zip(ports, ports[1:])]
    assert sum(abs(step) <= 4 for step in steps) < 0.02 * count
    tenths = [sum((port - PORTS.start) * 10 // len(PORTS) == tenth for port in ports) for tenth in range(10)]
    assert min(tenths) > 0.6 * count / 10 and max(tenths) < 1.4 * count / 10, tenths
    assert abs(statistics.correlation(range(count), ports)) < 0.1


# --- filtering ---------------------------------------------------------------------------------------------------


def test_4787_req8_address_and_port_dependent_filtering(lab, family, flow, server):
    """Also another port of a server that was spoken to is a stranger."""
    daemon = start(lab)
    near, other_port, other = server(9000), server(9001), server(9000, family.server_at(9))
    client = flow()
    end = client.meet(near)
    with counting(daemon, "filtered", 2):
        for stranger in (other_port, other):
            stranger.sendto(b"unasked", end)
    assert is_silent(client.sock)
    client.meet(other)
    other.sendto(b"expected", end)
    assert client.hear() == (b"expected", other.getsockname()[:2])
    near.sendto(b"still", end)
    assert client.hear()[0] == b"still"


def test_4787_req8_endpoint_independent_filtering(lab, family, flow, server):
    """Whoever knows a mapping may use it, and is answered from it; a port without mapping stays closed."""
    start(lab, settings(wan=OPEN))
    near, stranger = server(9000), server(9001, family.server_at(9))
    client = flow()
    end = client.meet(near)
    stranger.sendto(b"unasked", end)
    assert client.hear() == (b"unasked", stranger.getsockname()[:2])
    client.say(b"who?", stranger.getsockname()[:2])
    data, seen = stranger.recvfrom(100)
    assert (data, seen[:2]) == (b"who?", end)


def test_4787_req8_open_to_tcp(lab, family, server):
    """A client that listens on the port that it has spoken from is found there from outside."""
    start(lab, settings(wan=OPEN))
    listening = server(kind=socket.SOCK_STREAM)
    ours, theirs, end = dial(lab, family, listening, port=43000)
    at_client = open_socket(lab, "client", socket.SOCK_STREAM, family=family.af)
    at_client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ours_again = reused(lab, family, "client", 43000)
    ours_again.listen(4)
    outside = open_socket(lab, "inet", socket.SOCK_STREAM, family=family.af, bind=(family.server_at(9), 0))
    outside.connect(end)
    accepted, who = ours_again.accept()
    assert who[:2] == outside.getsockname()[:2]
    accepted.settimeout(2)
    exchange(outside, accepted)
    exchange(ours, theirs)


# --- hairpin -----------------------------------------------------------------------------------------------------


def test_4787_req9_hairpin(lab, family, flow, server):
    """Two clients by their external ends, the source an external one too; each has to have spoken to the other."""
    start(lab)
    far = server()
    one, other = flow("client"), flow("client2")
    end, other_end = one.meet(far), other.meet(far)
    one.say(b"1", other_end)
    assert is_silent(other.sock)
    other.say(b"2", end)
    assert one.hear() == (b"2", other_end)
    one.say(b"3", other_end)
    assert other.hear() == (b"3", end)


def test_4787_req9_hairpin_with_open_filtering(lab, family, flow, server):
    start(lab, settings(wan=OPEN))
    far = server()
    one, other = flow("client"), flow("client2")
    end, other_end = one.meet(far), other.meet(far)
    one.say(b"1", other_end)
    assert other.hear() == (b"1", end)
    other.say(b"2", end)
    assert one.hear() == (b"2", other_end)
    one.meet(far)


def test_4787_req9_hairpin_bytes(lab, family, flow, server):
    """Both ends translated, TTL one less, checksums whole, and nothing of it on the WAN."""
    start(lab, settings(wan=OPEN))
    far = server()
    one, other = flow("client", port=5001), flow("client2", port=5002)
    end, other_end = one.meet(far), other.meet(far)
    with client_tap(lab) as sender, client_tap(lab, "client2") as receiver, wan_tap(lab) as wan:
        sender.put(udp(family, family.client, 5001, other_end[0], other_end[1], b"bytes", ttl=33))
        came = whole(receiver.expect(of(family, UDP, dport=5002)))
        assert (came.src, came[UDP].sport, came.dst) == (*end, family.client2)
        assert (came.ttl if family.is4 else came.hlim) == 32
        assert bytes(came[UDP].payload) == b"bytes"
        wan.silent(of(family, UDP, dport=other_end[1]))


def test_4787_req9_hairpin_to_oneself(lab, family, flow, server):
    start(lab, settings(wan=OPEN))
    far = server()
    one, other = flow("client"), flow("client")
    end, other_end = one.meet(far), other.meet(far)
    one.say(b"1", other_end)
    assert other.hear() == (b"1", end)


def test_5382_req8_tcp_hairpin(lab, family, server):
    start(lab, settings(wan=OPEN))
    listening = server(kind=socket.SOCK_STREAM)
    _, _, end = dial(lab, family, listening, "client2", port=44000)
    inside = reused(lab, family, "client2", 44000)
    inside.listen(4)
    ours = open_socket(lab, "client", socket.SOCK_STREAM, family=family.af)
    ours.connect(end)
    theirs, seen = inside.accept()
    assert seen[0] == family.wan(1)
    theirs.settimeout(2)
    exchange(ours, theirs)


# --- nothing left ------------------------------------------------------------------------------------------------


def test_6888_req11_out_of_ports(lab, family, flow, server):
    """The new one is told by ICMP and counted; those that are there live on, and go on."""
    daemon = start(lab, settings(wan=", ports: 20000-20255"))
    far = server()
    old = [flow("client2", port=20000 + n) for n in range(256)]
    ends = [one.meet(far) for one in old]
    with client_tap(lab) as client, counting(daemon, "no-port"):
        late = flow()
        assert late.refused() == errno.EHOSTUNREACH
        told = whole(client.expect(error(family, "host")))
        assert told.src in (family.router, family.server)
        quoted = family.error_of(told)[2]
        assert (quoted.src, quoted.dst, quoted[UDP].sport) == (family.client, family.server, late.port)
    assert [one.meet(far) for one in old] == ends


def test_6888_req8_quarantine(lab, family, flow, server):
    """A port that was freed is nobody's for 120 s, here 1.2 s; then it is to be had."""
    start(lab, settings(wan=", ports: 20000-20255"), scale=100)
    far = server()
    old = [flow("client2", port=20000 + n) for n in range(256)]
    freed = {one.meet(far)[1] for one in old}
    assert len(freed) == 256
    wait_for(lambda: not flows(lab.daemon, proto="udp"), 20, "idle flows to end")
    # the bindings end with their last flow, and that is when their ports are freed
    late = flow(port=50000)
    late.say()
    assert is_silent(far, 0.2)

    def answered():
        with contextlib.suppress(OSError, LabError):
            late.say()
            return not is_silent(far, 0.1)
        return False

    wait_for(answered, 5, "a port to be given again")
    assert far.recvfrom(100)[1][1] in freed


