# SPDX-License-Identifier: GPL-2.0
"""
VLANs of devices that are in use themselves: the second LAN is one of the first, which is a bridge of two ports, and
the third WAN is one of the second. With all offloads.
"""

import contextlib
import json

from scapy.layers.inet import UDP
from scapy.layers.l2 import Dot1Q, Ether

from slow import families
from inside import Capture, is_silent, mac, open_socket  # isort: skip
from links import (  # noqa: F401  pylint: disable=unused-import
    EXCHANGES, healed, hops, lab, packed, prefer, pytest_generate_tests, test_bulk, test_bytes,
    test_failover_from_ethernet, test_failover_to_ethernet, test_own_traffic, test_size, verified, wire,
)
from steering import flows  # isort: skip
from wire import serve  # isort: skip

LAB = {
    "options": ["--lan2", "--vlan", "lan2=lan0", "--vlan", "wan3=wan2"],
    "wans": 3,
    "part": "client3",
    "sizes": {1: 1500, 3: 1500},
}


def tag_of(lab, device):
    return json.loads(lab.ip("router", "-j", "-d", "link", "show", device))[0]["linkinfo"]["info_data"]["id"]


def tagged(lab, tag, packet):
    """A frame from wan2's provider to the router."""
    frame = Ether(src=mac(lab, "isp2", "cust0"), dst=mac(lab, "router", "wan2"))
    return frame / Dot1Q(vlan=tag) / packet if tag else frame / packet


@families
def test_vlan_and_parent_are_kept_apart(lab, ip):
    """wan3 is a VLAN of wan2: each one's packets have its tag, or none, and an answer with another's is not taken."""
    family = wire(ip)
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(Capture(lab, "isp2", "cust0"))
        inside = stack.enter_context(Capture(lab, "client", "lan"))  # below client3's VLAN
        stack.enter_context(serve(lab, family, 9000))
        for number, tag in ((2, None), (3, tag_of(lab, "wan3"))):
            prefer(lab, number)
            client = stack.enter_context(open_socket(lab, lab.part, family=ip.af, timeout_s=10))
            client.sendto(b"there %d" % number, (ip.server, 9000))
            sent = line.wait(lambda f, n=number: f.data.endswith(b"there %d" % n), 10)
            assert (sent.ip.src, sent.vlan) == (ip.wan(number), tag)
            answer = family.ip(ip.server, ip.wan(number)) / UDP(sport=9000, dport=sent.ip[UDP].sport) / b"back"
            inside.frames()
            for wrong in {None, tag_of(lab, "wan3"), 999} - {tag}:
                line.send(tagged(lab, wrong, answer))
            assert is_silent(client, 1)
            assert not [frame for frame in inside.frames() if frame.data.endswith(b"back")]
            line.send(tagged(lab, tag, answer))
            assert client.recv(100) == b"back"


@families
def test_bridge_of_two_ports(lab, ip):
    """lan0: both ports' clients are steered, each hears its own answers only, and the bridge still bridges."""
    prefer(lab, 1)
    with contextlib.ExitStack() as stack:
        wires = {part: stack.enter_context(Capture(lab, part, "lan")) for part in ("client", "client2")}
        addresses = {"client": ip.client, "client2": ip.client2}
        for part in wires:
            for kind, exchange_ in EXCHANGES.items():
                assert exchange_(lab, ip, part=part, times=3, timeout_s=10) == ip.wan(1), (part, kind)
        for part, tap in wires.items():
            heard = [frame for frame in tap.frames() if not frame.outgoing and packed(ip.server) in frame.data]
            assert {verified(frame).dst for frame in heard} == {addresses[part]}
        assert EXCHANGES["udp"](lab, ip, to=ip.client2, server="client2", timeout_s=10, port=9100) == ip.client
        frame = wires["client2"].wait(lambda f: f.ip is not None and UDP in f.ip and f.ip[UDP].dport == 9100)
        assert (frame.packet.src, hops(frame.ip)) == (mac(lab, "client", "lan"), 64)
        assert not flows(lab.daemon, dst=ip.client2)
