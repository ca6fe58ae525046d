# SPDX-License-Identifier: GPL-2.0
"""
A class's rate on a WAN whose own qdisc is fq, which the host's kernel may lack: what is over the rate is not dropped but
leaves later, one packet after the other, as long as it would not wait too long.
"""

import contextlib
import socket
import struct

import pytest

from slow import PATIENCE_S, families, slow_lab, wait_for, wait_up
from inside import open_socket  # isort: skip
from steering import drops, table  # isort: skip

SO_TIMESTAMPNS, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 35, 32, 33
PORT = 7000
RATE = 250_000  # bytes a second: 2mbit
SIZE = 1000
DATAGRAMS = 40
CONFIG = """
lan: [lan0]
firewall: bypass
wans:
  wan1: {device: wan1}
  wan2: {device: wan2}
probes:
  default: {targets: ["icmp:203.0.113.1", "icmp:2001:db8:203::1"], interval: 500ms, timeout: 1s, up-after: 3}
classes:
  slow: {match: [{proto: udp, dport: 7000}], prefer: [wan1], rate: 2mbit}
"""


@pytest.fixture(scope="module")
def lab():
    with slow_lab("wh-pacing") as one:
        one.run("router", "tc", "qdisc", "replace", "dev", "wan1", "root", "fq")
        one.start_daemon(CONFIG)
        wait_up(one.daemon)
        wait_for(lambda: any(lane["up"]["wait_ns"] for _, lane in table(one.daemon, "wh_lanes")), PATIENCE_S,
                 "the qdisc to be noticed")
        yield one


def arrivals(lab, ip, count):
    """When each of so many datagrams that were sent at once came to the server, in seconds, by its kernel's clock."""
    with (
        contextlib.closing(open_socket(lab, "inet", bind=(ip.server, PORT), timeout_s=3)) as server,
        contextlib.closing(open_socket(lab, "client", family=ip.af)) as ours,
    ):
        server.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        # What waits in the router is still the sender's, whose buffer would slow it down.
        ours.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 22)
        ours.connect((ip.server, PORT))
        for _ in range(count):
            ours.send(bytes(SIZE))
        came = []
        with contextlib.suppress(TimeoutError):
            while len(came) < count:
                _, ancillary, _, _ = server.recvmsg(2 * SIZE, 64)
                seconds, ns = struct.unpack("qq", ancillary[0][2][:16])
                came.append(seconds + ns / 1e9)
    return came


@families
def test_what_is_over_the_rate_leaves_later(lab, ip):
    arrivals(lab, ip, 1)  # the flow's way is known
    dropped = drops(lab.daemon)["rate"]
    came = arrivals(lab, ip, DATAGRAMS)
    assert len(came) == DATAGRAMS
    assert drops(lab.daemon)["rate"] == dropped
    bytes_of_ip = SIZE + (28 if ip.version == 4 else 48)
    assert came[-1] - came[0] > 0.85 * (DATAGRAMS - 1) * bytes_of_ip / RATE
    assert sorted(came) == came


@families
def test_what_would_wait_too_long_is_dropped(lab, ip):
    dropped = drops(lab.daemon)["rate"]
    came = arrivals(lab, ip, 10 * DATAGRAMS)
    assert 0 < len(came) < 10 * DATAGRAMS
    assert drops(lab.daemon)["rate"] - dropped == 10 * DATAGRAMS - len(came)
