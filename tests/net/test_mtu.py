# SPDX-License-Identifier: GPL-2.0
"""
Sizes: MSS clamped to the chosen WAN both ways, errors that tell the right next-hop MTU about the right packet, what may
be cut up cut up, and changes while something is under way (RFC 4787 REQ-13, 1191, 8201, 1812 §4.3.2, 4443 §3.2). Each
test runs on links with offloads (packets of up to 64 KiB) and without.
"""

import contextlib
import errno
import hashlib
import os
import socket
import threading
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from inside import open_socket
from lab import Lab, wait_for
from wire import (
    V4, V6, Flow, client_tap, dial, error, exchange, is_fragment, noise, of, serve, settings, start, udp, wan_tap,
    whole,
)

SMALL = 1400
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, DONT, DO = 10, 23, 0, 2
LTE_FIRST = "{prefer: [lte, fiber]}"


@pytest.fixture(scope="module", params=["offload", "no-offload"])
def module_lab(request):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    options = ["--no-offload"] if request.param == "no-offload" else []
    with Lab(f"wh-mtu-{os.getpid()}", options=options) as one:
        one.offload = not options
        yield one


def mtu(lab, number, size):
    """Of the link to a provider."""
    lab.run(f"isp{number}", "ip", "link", "set", "cust0", "mtu", size)
    lab.run("router", "ip", "link", "set", f"wan{number}", "mtu", size)


def mtu_on_the_way(lab, number, size):
    """Of the link beyond the provider, as the provider sees it: it is the one that complains."""
    lab.run(f"isp{number}", "ip", "link", "set", "core0", "mtu", size)


def mtu_behind(lab, number, size):
    lab.run(f"isp{number}", "ip", "link", "set", "core0", "mtu", size)
    lab.run("inet", "ip", "link", "set", f"isp{number}", "mtu", size)


@pytest.fixture
def small(lab):
    """The second WAN is narrow, the first, which is the kernel's own default, is not; all goes by the second."""
    mtu(lab, 2, SMALL)
    yield start(lab, settings(LTE_FIRST))
    for number in (1, 2):
        mtu(lab, number, 1500)
        mtu_behind(lab, number, 1500)
    forget(lab)


def forget(lab):
    """What hosts have learnt of sizes."""
    for part in ("client", "client2", "inet", "router"):
        lab.run(part, "ip", "route", "flush", "cache")
        lab.run(part, "ip", "-6", "route", "flush", "cache")


def mss(packet):
    return dict(packet[TCP].options)["MSS"]


# --- MSS ---------------------------------------------------------------------------------------------------------


def test_mss_is_clamped_both_ways(lab, family, small):
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening, wan_tap(lab, 2) as wan, client_tap(lab) as client:
        ours, theirs, _ = dial(lab, family, listening)
        syn = wan.expect(of(family, TCP, dport=9000, where=lambda p: p[TCP].flags == "S"))
        syn_ack = client.expect(of(family, TCP, sport=9000, where=lambda p: p[TCP].flags == "SA"))
        assert mss(syn) == mss(syn_ack) == SMALL - family.overhead - 20
        if not lab.offload:
            whole(syn), whole(syn_ack)
        exchange(ours, theirs)


def test_mss_is_left_alone_where_it_fits(lab, family):
    start(lab)
    mtu(lab, 2, SMALL)
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan, client_tap(lab) as client:
        dial(lab, family, listening)
        syn = wan.expect(of(family, TCP, dport=9000, where=lambda p: p[TCP].flags == "S"))
        syn_ack = client.expect(of(family, TCP, sport=9000, where=lambda p: p[TCP].flags == "SA"))
        assert mss(syn) == mss(syn_ack) == 1500 - family.overhead - 20
    mtu(lab, 2, 1500)


def test_mss_that_is_less_already(lab, family, small):
    """It is only ever made smaller, and found behind other options."""
    options = [("NOP", None), ("NOP", None), ("Timestamp", (1, 0)), ("MSS", 700), ("WScale", 7), ("NOP", None)]
    with client_tap(lab) as client, wan_tap(lab, 2) as wan:
        for sport, size in ((6001, 700), (6002, 1460)):
            options[3] = ("MSS", size)
            segment = TCP(sport=sport, dport=9001, flags="S", seq=1, options=options)
            client.put(family.ip(family.client, family.phantom) / segment)
            went = whole(wan.expect(of(family, TCP, dport=9001)))
            assert mss(went) == min(size, SMALL - family.overhead - 20)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_bulk_over_the_narrow_one(lab, family, small, direction):
    with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
        ours, theirs, _ = dial(lab, family, listening)
        transfer(*((ours, theirs) if direction == "up" else (theirs, ours)), 8 << 20)


def transfer(sender, receiver, length, meanwhile=lambda: None):
    """So many octets; `meanwhile` runs once a third has come."""
    text, heard, got = os.urandom(1 << 16), hashlib.sha256(), 0
    sender.settimeout(20)
    receiver.settimeout(20)
    thread = threading.Thread(target=lambda: [sender.sendall(text) for _ in range(length >> 16)], daemon=True)
    thread.start()
    while got < length:
        chunk = receiver.recv(1 << 16)
        assert chunk, f"it ended after {got}"
        if got < length // 3 <= got + len(chunk):
            meanwhile()
        got += len(chunk)
        heard.update(chunk)
    thread.join(20)
    assert heard.digest() == hashlib.sha256(text * (length >> 16)).digest()


# --- too big -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["first packet", "known flow"])
def test_4787_req13_too_big_is_told(lab, family, small, when):
    """From the LAN's address, with the MTU of the chosen WAN, about the packet as the client sent it."""
    with client_tap(lab) as client, wan_tap(lab, 2) as wan:
        port = 6003 if when == "first packet" else 6008
        if when == "known flow":
            client.put(udp(family, family.client, port, family.phantom, 9009))
            wan.expect(of(family, UDP, dport=9009))
        fields = {"flags": "DF", "id": 99} if family.is4 else {}
        sent = udp(family, family.client, port, family.phantom, 9009, noise(1500 - family.overhead - 8), **fields)
        client.put(sent)
        told = whole(client.expect(error(family, "too-big")))
        name, size, quoted = family.error_of(told)
        assert (name, size) == ("too-big", SMALL)
        quote, original = bytes(quoted), bytes(sent)
        assert same_but_hops(quote, original, family) and len(quote) >= family.overhead + 8
        assert len(bytes(told)) <= (576 if family.is4 else 1280)
        wan.silent(of(family, UDP, dport=9009))
        assert (told.src, told.dst) == (family.router, family.client)


def same_but_hops(quote, original, family):
    """The quote is the packet's beginning; where the kernel has seen it first, with its TTL counted down."""
    at = {8, 10, 11} if family.is4 else {7}
    return all(a == b or n in at for n, (a, b) in enumerate(zip(quote, original)))


def test_4787_req13_may_be_cut_up(lab, small):
    """DF=0: in pieces that fit, and whole again at the server."""
    with serve(lab, V4) as server, contextlib.closing(Flow(lab, V4)) as flow, wan_tap(lab, 2) as wan:
        flow.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
        end = flow.meet(server)
        for length in (SMALL - 27, 1472):
            text = noise(length)
            flow.say(text)
            data, seen = server.recvfrom(1 << 16)
            assert (data, seen) == (text, end)
        pieces = wan.come(lambda p: isinstance(p, IP) and is_fragment(p))
        assert len(pieces) >= 4
        assert max(len(bytes(piece)) for piece in pieces) <= SMALL
        assert {piece.src for piece in pieces} == {V4.wan(2)}


def test_4787_req13_pieces_too_large_still(lab, small):
    """A client's own fragments, of the LAN's size, are cut once more."""
    with serve(lab, V4) as server, contextlib.closing(Flow(lab, V4)) as flow:
        flow.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
        flow.meet(server)
        text = os.urandom(7000)
        flow.say(text)
        assert server.recvfrom(1 << 16)[0] == text


def test_6864_cut_up_for_two_hosts(lab, small):
    """Two clients with one identifier: the pieces that the router makes of theirs are told apart."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(lab, V4))
        texts = {part: os.urandom(1472) for part in ("client", "client2")}
        taps = {part: stack.enter_context(client_tap(lab, part)) for part in texts}
        wan = stack.enter_context(wan_tap(lab, 2))
        for _ in range(5):
            for part, address in (("client", V4.client), ("client2", V4.client2)):
                taps[part].put(udp(V4, address, 6010, V4.server, 9000, texts[part], id=4242))
            assert {server.recvfrom(1 << 16)[0] for _ in texts} == set(texts.values())
        pieces = wan.come(lambda p: isinstance(p, IP) and is_fragment(p))
        assert len({piece.id for piece in pieces}) > 5


def test_1191_the_clients_kernel_learns(lab, family, small):
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        level, option = (socket.IPPROTO_IP, IP_MTU_DISCOVER) if family.is4 else (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER)
        flow.sock.setsockopt(level, option, DO)
        flow.meet(server)
        flow.say(noise(1500 - family.overhead - 8))

        def learnt():
            shown = lab.run("client", "ip", f"-{family.version}", "route", "get", family.server).stdout
            return f"mtu {SMALL}" in shown

        wait_for(learnt, 3, "the client to have learnt the MTU")
        with pytest.raises(OSError) as told:
            flow.say(noise(1500 - family.overhead - 8))
            flow.say(noise(1500 - family.overhead - 8))
        assert told.value.errno == errno.EMSGSIZE
        flow.say(noise(SMALL - family.overhead - 8))
        assert len(server.recvfrom(1 << 16)[0]) == SMALL - family.overhead - 8
    forget(lab)


def test_4443_too_big_is_limited(lab, family, small):
    """A burst is not answered one by one, but answered."""
    with client_tap(lab) as client:
        fields = {"flags": "DF"} if family.is4 else {}
        client.flood(udp(family, family.client, 6004, family.phantom, 9004, noise(1440), **fields), 2000)
        time.sleep(0.3)
        told = len(client.come(error(family, "too-big")))
    assert 1 <= told < 1000


def test_least_mtu(lab, small):
    """1280 is the least that there is in IPv6."""
    mtu(lab, 2, 1280)
    with client_tap(lab) as client, wan_tap(lab, 2) as wan:

        def told():
            client.put(udp(V6, V6.client, 6005, V6.phantom, 9005, noise(1240)))
            return [V6.error_of(packet)[1] for packet in client.come(error(V6, "too-big"))]

        assert wait_for(told, 3, "an error")[-1] == 1280
        client.put(udp(V6, V6.client, 6005, V6.phantom, 9005, noise(1232)))
        wan.expect(of(V6, UDP, dport=9005))


def test_answer_too_big_for_the_lan(lab, family):
    """The other way round: the server is told, from the WAN's address and about the mapping that it used."""
    start(lab)
    lab.run("router", "ip", "link", "set", "lan0", "mtu", SMALL)
    lab.run("client", "ip", "link", "set", "lan", "mtu", SMALL)
    try:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(serve(lab, family))
            flow = stack.enter_context(contextlib.closing(Flow(lab, family)))
            wan = stack.enter_context(wan_tap(lab))
            end = flow.meet(server)
            fields = {"flags": "DF"} if family.is4 else {}
            wan.put(udp(family, family.server, 9000, *end, noise(1440), **fields))
            told = whole(wan.expect(error(family, "too-big")))
            _, size, quoted = family.error_of(told)
            assert (told.src, size, quoted.dst, quoted[UDP].dport) == (family.wan(1), SMALL, *end)
    finally:
        lab.run("client", "ip", "link", "set", "lan", "mtu", 1500)
        lab.run("router", "ip", "link", "set", "lan0", "mtu", 1500)
        forget(lab)


def test_someone_on_the_way_complains(lab, family):
    """A provider's own narrow link: its error comes back translated, and an upload goes on in smaller pieces."""
    start(lab)
    mtu_on_the_way(lab, 1, 1300)
    try:
        with serve(lab, family, kind=socket.SOCK_STREAM) as listening, client_tap(lab) as client:
            ours, theirs, _ = dial(lab, family, listening)
            transfer(ours, theirs, 2 << 20)
            told = client.expect(error(family, "too-big"), 1)
            _, size, quoted = family.error_of(told)
            assert (size, quoted.src, quoted.payload.sport) == (1300, family.client, ours.getsockname()[1])
    finally:
        mtu_on_the_way(lab, 1, 1500)
        forget(lab)


# --- changes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("change", [mtu, mtu_behind], ids=["own device", "on the way"])
def test_8201_mtu_shrinks_under_way(lab, family, direction, change):
    """A transfer with segments of the old size recovers, whoever's link it is that has become narrow."""
    start(lab)
    try:
        with serve(lab, family, kind=socket.SOCK_STREAM) as listening:
            ours, theirs, _ = dial(lab, family, listening)
            ends = (ours, theirs) if direction == "up" else (theirs, ours)
            transfer(*ends, 24 << 20, meanwhile=lambda: change(lab, 1, SMALL))
    finally:
        change(lab, 1, 1500)
        forget(lab)


def test_new_mtu_is_right_at_once(lab, family):
    """For the next connection's MSS, and for the next error."""
    start(lab)
    mtu(lab, 1, SMALL)
    try:
        with serve(lab, family, kind=socket.SOCK_STREAM) as listening, wan_tap(lab) as wan:

            def offered():
                ours, theirs, _ = dial(lab, family, listening)
                ours.close(), theirs.close()
                return mss(wan.expect(of(family, TCP, dport=9000, where=lambda p: p[TCP].flags == "S")))

            wait_for(lambda: offered() == SMALL - family.overhead - 20, 1, "the new MSS")
    finally:
        mtu(lab, 1, 1500)


def test_configured_mtu_is_less_than_the_devices(lab, family):
    """`mtu: 1300` where the provider says nothing of its own limits."""
    start(lab, settings(fiber=", mtu: 1300"))
    with client_tap(lab) as client, wan_tap(lab) as wan:
        fields = {"flags": "DF"} if family.is4 else {}
        client.put(udp(family, family.client, 6006, family.phantom, 9006, noise(1350), **fields))
        assert family.error_of(client.expect(error(family, "too-big")))[1] == 1300
        segment = TCP(sport=6007, dport=9007, flags="S", seq=1, options=[("MSS", 1460)])
        client.put(family.ip(family.client, family.phantom) / segment / Raw())
        assert mss(wan.expect(of(family, TCP, dport=9007))) == 1300 - family.overhead - 20


def test_udp_segmentation_larger_than_the_wan(lab, family, small):
    """One send of many datagrams that do not fit: told, not lost in silence."""
    with contextlib.closing(open_socket(lab, "client", family=family.af)) as client, client_tap(lab) as tap:
        level, option = (socket.IPPROTO_IP, IP_MTU_DISCOVER) if family.is4 else (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER)
        client.setsockopt(level, option, DO)
        client.setsockopt(socket.SOL_UDP, 103, 1440)
        client.sendto(noise(10 * 1440), (family.phantom, 9008))
        told = tap.expect(error(family, "too-big"))
        assert family.error_of(told)[1] == SMALL
    forget(lab)
