# SPDX-License-Identifier: GPL-2.0
"""
Devices whose packets have no Ethernet header (wwan, WireGuard, PPP; here TUN devices, with a program for a cable), as
WAN, as LAN, and both; the other devices are Ethernet, so that packets change their shape on the way.
"""

import contextlib
import os
import socket

import pytest
from scapy.layers.inet import TCP

import programs
from inside import Capture
from lab import Lab, wait_for
from steering import drops
from wire import Flow, dial, exchange, noise, of, serve, settings, start, whole

WAYS = {
    "first WAN": (["--l3", "wan1"], "client", 0),
    "second WAN": (["--l3", "wan2"], "client", 0),
    "both WANs": (["--l3", "wan1", "--l3", "wan2"], "client", 0),
    "LAN": (["--lan2", "--l3", "lan2"], "client3", 2),
    "LAN and WAN": (["--lan2", "--l3", "lan2", "--l3", "wan1"], "client3", 2),
}
WORDS = {1: "{prefer: [fiber, lte]}", 2: "{prefer: [lte, fiber]}"}


@pytest.fixture(scope="module", params=WAYS)
def module_lab(request):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    options, part, lan = WAYS[request.param]
    with Lab(f"wh-l3-{os.getpid()}", options=options) as one:
        one.part, one.lan = part, lan
        yield one


def begin(lab, number=1):
    text = settings(WORDS[number])
    return start(lab, text.replace("lan: [lan0]", "lan: [lan0, lan2]") if lab.lan else text)


@pytest.mark.parametrize("number", [1, 2])
def test_there_and_back(lab, family, number):
    daemon = begin(lab, number)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(lab, family))
        flow = stack.enter_context(contextlib.closing(Flow(lab, family, lab.part)))
        assert flow.meet(server)[0] == family.wan(number)
        listening = stack.enter_context(serve(lab, family, 9800, kind=socket.SOCK_STREAM))
        ours, theirs, seen = dial(lab, family, listening, lab.part)
        assert seen[0] == family.wan(number)
        exchange(ours, theirs)
        ping = ("ping", f"-{family.version}", "-n", "-c", 3, "-i", 0.05, family.server)
        assert " 0% packet loss" in lab.run(lab.part, *ping).stdout
    assert drops(daemon)["malformed"] == 0


def test_bytes_on_the_wire(lab, family):
    """What comes out is whole, and its TTL one less."""
    begin(lab)
    with serve(lab, family) as server, Capture(lab, "isp1", "cust0") as wire:
        with contextlib.closing(Flow(lab, family, lab.part)) as flow:
            flow.say(noise(100))
            server.recvfrom(1 << 16)
        frame = wire.wait(lambda f: f.ip is not None and f.ip.dst == family.server)
        packet = family.layer(bytes(frame.ip))
        if not frame.partial:
            whole(packet)
        assert packet.src == family.wan(1)
        assert (packet.ttl if family.is4 else packet.hlim) == 63


@pytest.mark.parametrize("option", [[], ["-R"]], ids=["up", "down"])
def test_bulk(lab, family, option):
    begin(lab)
    with programs.perf(lab, family):
        shown = lab.run(lab.part, "iperf3", "-t", 1, "-c", family.server, *option).stdout
    assert "receiver" in shown


def test_fails_over_between_shapes(lab, family):
    """From the first WAN to the second and back, one of them or both without Ethernet."""
    daemon = begin(lab)
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family, lab.part)) as flow:
        assert flow.meet(server)[0] == family.wan(1)
        lab.break_wan(1, "blackhole")
        daemon.wait_states(10, fiber="down")
        assert flow.meet(server)[0] == family.wan(2)
        lab.heal(1)
        daemon.wait_states(15, fiber="up")
        wait_for(lambda: way_of_a_new_one(lab, family, server) == family.wan(1), 5, "new flows by the first")


def way_of_a_new_one(lab, family, server):
    with contextlib.closing(Flow(lab, family, lab.part)) as flow:
        return flow.meet(server)[0]


def test_mss_and_size(lab, family):
    """Clamped to the narrow one; what does not fit is told."""
    lab.run("router", "ip", "link", "set", "wan1", "mtu", 1400)
    try:
        begin(lab)
        with serve(lab, family, 9801, kind=socket.SOCK_STREAM) as listening, Capture(lab, "isp1", "cust0") as wire:
            ours, theirs, _ = dial(lab, family, listening, lab.part)
            syn = wire.wait(lambda f: f.ip is not None and of(family, TCP, dport=9801)(f.ip)).ip
            assert dict(syn[TCP].options)["MSS"] == 1400 - family.overhead - 20
            ours.sendall(noise(200000))
            heard = b""
            while len(heard) < 200000:
                heard += theirs.recv(1 << 16)
            assert heard == noise(200000)
    finally:
        lab.run("router", "ip", "link", "set", "wan1", "mtu", 1500)


def test_own_traffic(lab, family):
    begin(lab, 2)
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family, "router")) as flow:
        assert flow.meet(server)[0] == family.wan(2)


def test_fragments(lab, family):
    begin(lab)
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family, lab.part)) as flow:
        text = noise(6000)
        flow.say(text)
        data, seen = server.recvfrom(1 << 16)
        assert data == text
        server.sendto(text, seen)
        assert flow.hear()[0] == text


def test_hairpin(lab, family):
    """Between clients of one LAN, or of two."""
    begin(lab)
    with serve(lab, family) as server, contextlib.ExitStack() as stack:
        one = stack.enter_context(contextlib.closing(Flow(lab, family, "client2")))
        other = stack.enter_context(contextlib.closing(Flow(lab, family, lab.part)))
        end, other_end = one.meet(server), other.meet(server)
        one.say(b"1", other_end)
        other.say(b"2", end)
        assert one.hear() == (b"2", other_end)
        one.say(b"3", other_end)
        assert other.hear()[1] == end
