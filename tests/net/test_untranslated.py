# SPDX-License-Identifier: GPL-2.0
"""
nat: none, where the world knows the way to the clients: sessions pass with their own addresses, and outlive the
loss of a WAN, TCP too, because nothing of them changes.
"""

import socket

import pytest

from inside import Capture, connect, listen, open_socket
from lab import CLIENT, SERVER, wait_for
from steering import FIREWALLS, config, drops, flows, wait_up

LAB = {"wans": 2, "options": ["--nat-none"]}


@pytest.fixture(params=FIREWALLS)
def daemon(lab, request):
    text = config(firewall=request.param)
    for device in ("wan1", "wan2"):
        text = text.replace(f"device: {device}", f"device: {device}, nat: none")
    lab.start_daemon(text)
    wait_up(lab.daemon)
    return lab.daemon


def way_of(daemon, proto):
    return [flow["wan"] for flow in flows(daemon, proto=proto, src=CLIENT)]


def say(session, text):
    """There and back over an established session."""
    ours, theirs = session
    ours.sendall(text)
    assert theirs.recv(100) == text
    theirs.sendall(text.upper())
    assert ours.recv(100) == text.upper()


def test_sessions_outlive_a_failover(lab, daemon):
    ours, theirs, seen = connect(lab, "client", listen(lab, "inet", (SERVER, 9000)), (SERVER, 9000))
    assert seen == ours.getsockname()
    say((ours, theirs), b"before")
    server = open_socket(lab, "inet", bind=(SERVER, 9001))
    client = open_socket(lab, "client", bind=(CLIENT, 40000))
    client.sendto(b"before", (SERVER, 9001))
    assert server.recvfrom(100) == (b"before", (CLIENT, 40000))
    assert way_of(daemon, "tcp") == way_of(daemon, "udp") == ["fiber"]

    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    with Capture(lab, "isp2", "cust0") as wire:
        say((ours, theirs), b"after")
        client.sendto(b"after", (SERVER, 9001))
        assert server.recvfrom(100) == (b"after", (CLIENT, 40000))
        server.sendto(b"answer", (CLIENT, 40000))
        assert client.recv(100) == b"answer"
        assert {f.packet.payload.src for f in wire.frames() if not f.outgoing} >= {CLIENT}
    assert way_of(daemon, "tcp") == way_of(daemon, "udp") == ["lte"]
    ended = daemon.wait_event("failover")
    assert ended["reset"] == 0
    assert ended["moved"] >= 2

    lab.heal(1)
    wait_up(daemon, "fiber")
    say((ours, theirs), b"drained: on the other still")
    assert way_of(daemon, "tcp") == ["lte"]
    daemon.cli("wan", "down", "lte", "--yes")
    say((ours, theirs), b"and back")
    assert way_of(daemon, "tcp") == ["fiber"]
    assert drops(daemon)["leak"] == 0


def test_idle_session_outlives_a_failover(lab, daemon):
    """The server is first to speak again: its segment finds the client, whose answer takes the other WAN."""
    ours, theirs, _ = connect(lab, "client", listen(lab, "inet", (SERVER, 9002)), (SERVER, 9002))
    say((ours, theirs), b"hello")
    daemon.cli("wan", "down", "fiber")
    daemon.wait_event("failover")
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    theirs.sendall(b"news")
    assert ours.recv(100) == b"news"
    say((ours, theirs), b"thanks")
    wait_for(lambda: way_of(daemon, "tcp") == ["lte"], what="the session to go by wan2")
