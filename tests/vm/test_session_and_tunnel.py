# SPDX-License-Identifier: GPL-2.0
"""
A PPPoE session (over a VLAN, as with DSL) and a WireGuard tunnel as WANs: devices without Ethernet header, and with an
MTU of their own.
"""

import contextlib

from slow import FAMILIES, PATIENCE_S, families, wait_for, wait_up
from links import (  # noqa: F401  pylint: disable=unused-import
    ETHERNET, EXCHANGES, Wires, assert_out_and_in, healed, lab, prefer, pytest_generate_tests, test_bulk, test_bytes,
    test_failover_from_ethernet, test_failover_to_ethernet, test_own_traffic, test_size, way_of_new,
)

LAB = {
    "options": ["--vlan", "line1=dsl", "--pppoe", "wan1", "--wireguard", "wan3"],
    "wans": 3,
    "part": "client",
    "sizes": {1: 1492, 3: 1420},
}


def test_session_ends_and_begins_anew(lab):
    """PPPoE hung up by the provider: its device is gone, and comes again as another one of the same name."""
    prefer(lab, 1, ETHERNET)
    for ip in FAMILIES:
        assert way_of_new(lab, ip) == ip.wan(1)
    lab.broken = True
    lab.control("break", "wan1", "carrier")
    wait_for(lambda: lab.daemon.wan("wan1")["state"] == "absent", PATIENCE_S, "wan1 to be absent")
    for ip in FAMILIES:
        assert way_of_new(lab, ip) == ip.wan(ETHERNET)
    lab.heal(1)
    lab.broken = False
    wait_up(lab.daemon)
    for ip in FAMILIES:
        wait_for(lambda i=ip: way_of_new(lab, i) == i.wan(1), PATIENCE_S, "new flows by wan1")
        with Wires(lab, ip.server) as wires:
            assert way_of_new(lab, ip) == ip.wan(1)
            assert_out_and_in(wires.seen(), 1, ip)


def is_open(lab, ip, peer, far):
    """With that end; what was still under way from another address may have made the kernel go back to that."""
    lab.run("router", "wg", "set", "wan3", "peer", peer, "endpoint", f"{far}:51820")
    with contextlib.suppress(TimeoutError):
        return EXCHANGES["udp"](lab, ip, port=9100, timeout_s=2) == ip.wan(3)
    return False


@families
def test_tunnel_over_another_wan(lab, ip):
    """The tunnel's own packets have a route by the Ethernet WAN, and users' have the tunnel."""
    far = "198.19.3.1"
    prefer(lab, 3, ETHERNET)
    peer = lab.run("router", "wg", "show", "wan3", "peers").stdout.strip()
    endpoint = lab.run("router", "wg", "show", "wan3", "endpoints").stdout.split()[-1]
    lab.run("inet", "sysctl", "-qw", "net.ipv4.ip_forward=1")  # between two providers
    lab.ip("router", "link", "set", "line3", "down")  # or both ends go back to it
    lab.ip("router", "route", "add", far, "via", "198.18.2.1", "dev", "wan2")
    try:
        wait_for(lambda: is_open(lab, ip, peer, far), PATIENCE_S, "the tunnel to be open by wan2")
        with Wires(lab, ip.server) as inner, Wires(lab, far) as outer:
            for kind, exchange_ in EXCHANGES.items():
                assert exchange_(lab, ip, times=3, timeout_s=10) == ip.wan(3), kind
            assert_out_and_in(inner.seen(), 3, ip)
            assert {(one.wan, one.ip.src, one.ip.dst) for one in outer.seen() if one.up} == {(2, "198.18.2.2", far)}
    finally:
        lab.ip("router", "link", "set", "line3", "up")
        lab.run("router", "wg", "set", "wan3", "peer", peer, "endpoint", endpoint)
        lab.ip("router", "route", "delete", far)
        wait_up(lab.daemon)
