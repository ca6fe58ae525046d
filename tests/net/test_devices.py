# SPDX-License-Identifier: GPL-2.0
"""
Devices that come late, go, and come again; and the same work done by clsact filters, as on kernels before 6.6.
"""

import contextlib
import signal

import pytest

from held import exists, of_controller
from inside import open_socket
from lab import SERVER, LabError, wait_for, wan_address
from steering import config, pins, start, wait_up

LAB = {"wans": 2}

FILTERS = {device: ["ingress", "egress"] for device in ("lan0", "wan1", "wan2")}
PER_HOOK = 2  # a program for each family


@pytest.fixture
def server(lab):
    with open_socket(lab, "inet", bind=(SERVER, 9000)) as sock:
        yield sock


def way(server, client):
    client.sendto(b"?", (SERVER, 9000))
    _, seen = server.recvfrom(10)
    server.sendto(b"!", seen)
    client.recv(10)
    return seen[0]


def new_way(lab, server):
    with open_socket(lab, "client") as client:
        return way(server, client)


def ip(lab, part, *args):
    lab.run(part, "ip", *args)


def make_wan2(lab, device):
    """The link to the second provider, as scripts/lab makes it."""
    ip(lab, "router", "link", "add", device, "type", "veth", "peer", "name", "cust0", "netns", f"{lab.name}-isp2")
    for address in ("198.18.2.1/30", "2001:db8:2::1/64", "fe80::1/64"):
        ip(lab, "isp2", "address", "add", address, "dev", "cust0")
    ip(lab, "isp2", "link", "set", "cust0", "up")
    for address in ("198.18.2.2/30", "2001:db8:2::2/64"):
        ip(lab, "router", "address", "add", address, "dev", device)
    ip(lab, "router", "link", "set", device, "up")
    for to, gateway in (("default", "198.18.2.1"), ("::/0", "fe80::1")):
        ip(lab, "router", "route", "add", to, "via", gateway, "dev", device, "metric", 200)


@pytest.fixture
def wan2(lab):
    """wan2 is there again afterwards, whatever became of it."""
    yield
    with contextlib.suppress(LabError):
        ip(lab, "router", "link", "delete", "late0")
    with contextlib.suppress(LabError):
        make_wan2(lab, "wan2")


def test_wan_that_comes_late(lab, server, wan2):
    ip(lab, "router", "link", "delete", "wan2")
    text = config("{prefer: [lte, fiber]}").replace("device: wan2", "device: late0")
    daemon = lab.start_daemon(text)
    daemon.wait_states(fiber="up", lte="absent")
    assert daemon.wan("lte")["reason"]
    assert new_way(lab, server) == wan_address(1)
    make_wan2(lab, "late0")
    wait_up(daemon, "lte")
    wait_for(lambda: new_way(lab, server) == wan_address(2), what="new flows by the device that came")


def test_wan_deleted_and_made_again(lab, server, wan2):
    daemon = start(lab, "{prefer: [lte, fiber]}")
    client = open_socket(lab, "client")
    assert way(server, client) == wan_address(2)
    ip(lab, "router", "link", "delete", "wan2")
    daemon.wait_states(lte="absent", fiber="up")
    assert way(server, client) == wan_address(1)
    make_wan2(lab, "wan2")
    wait_up(daemon, "lte")
    wait_for(lambda: new_way(lab, server) == wan_address(2), what="new flows by the device that came again")
    held = of_controller(daemon)
    daemon.cli("stop")
    for kind, number in held:
        wait_for(lambda k=kind, n=number: not exists(k, n), 5, f"BPF {kind} {number} to be gone")


def make_lan(lab):
    ip(lab, "router", "link", "add", "lan0", "type", "bridge", "forward_delay", 0)
    for port in ("port-client", "port-client2"):
        ip(lab, "router", "link", "set", port, "master", "lan0")
    ip(lab, "router", "link", "set", "lan0", "up")
    for address in ("10.77.0.1/24", "fe80::1/64", "fd00:77::1/64"):
        ip(lab, "router", "address", "add", address, "dev", "lan0")


@pytest.mark.parametrize("there", [True, False], ids=["at the start", "not at the start"])
def test_lan_that_comes(lab, server, there):
    """Made again it has another MAC, which clients learn by ARP, and its flows go on."""
    if there:
        start(lab)
        client = open_socket(lab, "client")
        assert way(server, client) == wan_address(1)
        before = pins(lab.daemon)
    ip(lab, "router", "link", "delete", "lan0")
    try:
        if not there:
            start(lab)
            assert "lan0 is not there" in lab.daemon.log.read_text()
    finally:
        make_lan(lab)
    ip(lab, "client", "neigh", "flush", "all")

    def passes():
        with contextlib.suppress(TimeoutError), open_socket(lab, "client", timeout_s=0.2) as fresh:
            return way(server, fresh) == wan_address(1)
        return False

    server.settimeout(0.2)
    wait_for(passes, what="new flows by the LAN that came")
    if there:
        assert way(server, client) == wan_address(1)
        assert before.items() <= pins(lab.daemon).items()


# --- clsact ------------------------------------------------------------------------------------------------------


def filters(lab):
    """Device and direction → how many BPF filters are there."""
    return {
        (device, way): lab.run("router", "tc", "filter", "show", "dev", device, way).stdout.count("direct-action")
        for device, ways in FILTERS.items()
        for way in ways
    }


@pytest.fixture
def clsact(monkeypatch):
    monkeypatch.setenv("WANHELM_TC", "clsact")


def test_clsact_from_start_to_stop(lab, server, clsact):
    daemon = start(lab)
    assert {path.name for path in daemon.bpf_dir.glob("links/*")} == {"bind4", "bind6"}, "none of a device"
    assert set(filters(lab).values()) == {PER_HOOK}
    client = open_socket(lab, "client")
    assert way(server, client) == wan_address(1)
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    assert way(server, client) == wan_address(2)
    lab.heal(1)
    wait_up(daemon, "fiber")

    held, before = of_controller(daemon), pins(daemon)
    daemon.end(signal.SIGKILL)
    assert way(server, client) == wan_address(2)
    daemon.start(None)
    wait_up(daemon)
    assert before.items() <= pins(daemon).items()
    assert set(filters(lab).values()) == {PER_HOOK}
    assert way(server, client) == wan_address(2)
    old = {number for kind, number in held if kind == "prog"}
    for number in old:
        wait_for(lambda n=number: not exists("prog", n), 5, f"the program {number} of before to be gone")

    assert daemon.events("attach") == [], "they were there all the time"
    held = of_controller(daemon)
    daemon.cli("stop")
    daemon.process.wait(5)
    assert set(filters(lab).values()) == {0}
    for kind, number in held:
        wait_for(lambda k=kind, n=number: not exists(k, n), 5, f"BPF {kind} {number} to be gone")


def test_clsact_stop_without_controller(lab, clsact):
    daemon = start(lab)
    daemon.end()
    assert set(filters(lab).values()) == {PER_HOOK}
    daemon.cli("stop")
    assert set(filters(lab).values()) == {0}
    assert not daemon.bpf_dir.exists()


def test_clsact_leaves_others_filters(lab, server, clsact):
    """A user's own filter on the same hook sees the packets too, and is there afterwards."""
    lab.run("router", "tc", "qdisc", "replace", "dev", "wan1", "clsact")
    try:
        theirs = ("dev", "wan1", "egress", "prio", 1, "bpf", "bytecode", "1,6 0 0 0,")
        lab.run("router", "tc", "filter", "add", *theirs)
        daemon = start(lab)
        assert new_way(lab, server) == wan_address(1)
        daemon.cli("stop")
        assert "bytecode" in lab.run("router", "tc", "filter", "show", "dev", "wan1", "egress").stdout
    finally:
        lab.run("router", "tc", "qdisc", "delete", "dev", "wan1", "clsact")
