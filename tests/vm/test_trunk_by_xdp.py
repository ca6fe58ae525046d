# SPDX-License-Identifier: GPL-2.0
"""
The router on a stick, carried by XDP in the driver of the one device that its LAN and two WANs are VLANs of. Tags
stand in the packets: no device takes them off.
"""

import contextlib
import json

import slow
from inside import Capture, open_socket  # isort: skip
from links import (  # noqa: F401  pylint: disable=unused-import
    ETHERNET, FAMILIES, healed, lab, packed, prefer, pytest_generate_tests, test_bytes, test_failover_to_ethernet, wire,
)
from wire import serve, whole  # isort: skip

LAB = {
    "options": ["--lan2", "--vlan", "lan2=trunk", "--vlan", "wan1=trunk", "--vlan", "wan3=trunk", "--xdp"],
    "wans": 3,
    "part": "client3",
    "sizes": {1: 1500, 3: 1500},
    "more": "accel: xdp\n",
}


def carried(lab):
    """Device → (in, out)."""
    status = lab.daemon.status()
    return {part["device"]: part["accel"] for part in status["wans"] + status["lans"]}


def is_by_xdp(lab, *devices):
    return all((carried(lab)[device]["in"], carried(lab)[device]["out"]) == ("xdp", "xdp") for device in devices)


def programs(lab):
    links = json.loads(lab.run("router", "ip", "-d", "-j", "link", "show").stdout)
    return {link["ifname"] for link in links if "xdp" in link}


def rounds(client, server, to, times=10):
    """A datagram's ways there and back, and as whom the server knows the client."""
    for number in range(times):
        client.sendto(b"there %d" % number, to)
        text, seen = server.recvfrom(100)
        assert text == b"there %d" % number
        server.sendto(b"back %d" % number, seen)
        assert client.recv(100) == b"back %d" % number
    return seen[0]


def test_kernel_sees_nothing(lab, number):
    """From one VLAN of the trunk to another: the tag is changed, and neither device sees the packets."""
    prefer(lab, number)
    slow.wait_for(lambda: is_by_xdp(lab, "lan2", "wan1", "wan3"), slow.PATIENCE_S, f"XDP: {carried(lab)}")
    assert "trunk" in programs(lab) and not programs(lab) & {"lan2", "wan1", "wan3"}
    for ip in FAMILIES:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(serve(lab, wire(ip), 9300))
            client = stack.enter_context(open_socket(lab, lab.part, family=ip.af, timeout_s=10))
            server.settimeout(10)
            to = ip.server, 9300

            def is_quiet():
                with contextlib.ExitStack() as taps:
                    seen = [taps.enter_context(Capture(lab, "router", d)) for d in ("trunk", "lan2", f"wan{number}")]
                    assert rounds(client, server, to) == ip.wan(number)
                    return not [f for tap in seen for f in tap.frames() if packed(ip.server) in f.data]

            slow.wait_for(is_quiet, slow.PATIENCE_S, "the flow to be carried by XDP")
            far = stack.enter_context(Capture(lab, f"isp{number}", "cust0"))
            rounds(client, server, to, 3)
            frames = [f for f in far.frames() if packed(ip.server) in f.data and not f.outgoing]
            assert len(frames) == 3
            for frame in frames:
                assert whole(frame.ip).src == ip.wan(number)


def test_hidden_tags_are_tcs(lab):
    """Where the driver takes tags off, XDP cannot know whose a frame is."""
    prefer(lab, 1)
    lab.run("router", "ethtool", "-K", "trunk", "rxvlan", "on")
    try:
        why = "tags are taken off by the driver (ethtool -K trunk rxvlan off)"
        slow.wait_for(lambda: carried(lab)["wan1"]["why"] == why, slow.PATIENCE_S, f"tc: {carried(lab)}")
        assert carried(lab)["wan1"]["in"] == carried(lab)["lan2"]["out"] == "tc"
        assert "trunk" not in programs(lab) and f"wan{ETHERNET}" in programs(lab)
    finally:
        lab.run("router", "ethtool", "-K", "trunk", "rxvlan", "off")
    slow.wait_for(lambda: is_by_xdp(lab, "lan2", "wan1", "wan3"), slow.PATIENCE_S, "XDP again")
