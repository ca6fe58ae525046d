# SPDX-License-Identifier: GPL-2.0
"""
A router from start to stop on the kernel that runs here: hooks where this kernel has them, traffic steered, a
failover, nothing left behind. tests/vm/run runs it in a virtual machine for each kernel; it passes on the
host's kernel, too. What the product does in detail is for tests/net and tests/bpf.
"""

import platform
import re

import pytest

from slow import FAMILIES, PATIENCE_S, families, slow_lab, wait_for, wait_up
from lab import SERVER  # isort: skip

CONFIG = """
lan: [lan0]
failback: {hold: 1s}
wans:
  fiber: {device: wan1}
  lte: {device: wan2}
probes:
  default: {targets: ["icmp:203.0.113.1", "icmp:2001:db8:203::1"], timeout: 1s}
classes:
  default: {prefer: [fiber, lte]}
"""

LAN = {"ingress": "wh_lan_in", "egress": "wh_lan_out"}
WAN = {"ingress": "wh_wan_in", "egress": "wh_wan_out"}
DEVICES = {"lan0": LAN, "wan1": WAN, "wan2": WAN}
HOOKS = [(device, direction, program) for device, hooks in DEVICES.items() for direction, program in hooks.items()]


def has_tcx():
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 6)


def filters(lab):
    """What tc shows on the router's devices: by clsact, or as far as tc knows of it."""
    return {
        (device, direction): lab.run("router", "tc", "filter", "show", "dev", device, direction, check=False).stdout
        for device, direction, _ in HOOKS
    }


def seen_by_servers(client):
    return {record["wan"] for record in client.finish(PATIENCE_S) if record.get("wan")}


@pytest.fixture(scope="module", params=["auto", "clsact"] if has_tcx() else ["auto"])
def attach(request):
    """Which way to attach: the kernel's best, and the old one where that is another."""
    return request.param


@pytest.fixture(scope="module")
def lab(attach):
    with pytest.MonkeyPatch.context() as patch, slow_lab("vmtest") as one:
        if attach == "clsact":
            patch.setenv("WANHELM_TC", "clsact")
        one.before = one.snapshot()
        one.start_daemon(CONFIG)
        wait_up(one.daemon)
        for ip in FAMILIES:
            one.servers(ip=ip)
        yield one


def test_hooks(lab, attach):
    shown = filters(lab)
    if attach == "clsact" or not has_tcx():
        for device, direction, program in HOOKS:
            for ip in FAMILIES:
                assert f"{program}{ip.version}" in shown[device, direction], (device, direction)
            assert "direct-action" in shown[device, direction]
    else:
        assert not any(shown.values()), "with tcx there is to be no clsact filter"
        pinned = {path.name for path in (lab.daemon.bpf_dir / "links").iterdir()}
        assert len(pinned) >= len(FAMILIES) * len(HOOKS), pinned


@families
def test_ping(lab, ip):
    lab.run("client", "ping", "-c", 3, "-i", 0.3, "-W", 10, ip.server)


@families
@pytest.mark.parametrize("kind", ["udp", "http", "tcp", "dns"])
def test_steered(lab, kind, ip):
    """Nothing but the product translates: an answer at all means it went by us."""
    client = lab.client(kind, "--duration", 3, "--rate", 10, "--timeout", 10, ip=ip)
    assert seen_by_servers(client) == {ip.wan(1)}


def test_shown_to_the_firewall(lab):
    """A rule in the kernel's forward chain holds though we carry the flows."""
    lab.nft("router", "table inet bars { chain f { type filter hook forward priority 0; udp dport 7 drop; }; }")
    try:
        client = lab.client("udp", "--duration", 1, "--rate", 10, "--timeout", 2)
        assert seen_by_servers(client) == set()
    finally:
        lab.run("router", "nft", "delete", "table", "inet", "bars")


@families
def test_failover_and_back(lab, ip):
    stream = lab.client("udp", "--duration", PATIENCE_S, "--rate", 20, ip=ip)
    wait_for(lambda: any(r.get("echoed_ns") for r in stream.records()), PATIENCE_S, "the first echo")
    told = len(lab.daemon.events("failover"))
    lab.break_wan(1, "blackhole")
    wait_for(lambda: stream.records()[-1].get("wan") == ip.wan(2), PATIENCE_S, "echoes by wan2")
    record = lab.daemon.wait_event("failover", skip=told)
    stream.stop()
    assert record["wan"] == "fiber"
    lab.heal(1)
    wait_up(lab.daemon)
    client = lab.client("udp", "--duration", 1, "--rate", 10, "--timeout", 10, ip=ip)
    assert seen_by_servers(client) == {ip.wan(1)}


def test_stop_leaves_nothing(lab):
    lab.daemon.cli("stop")
    assert lab.daemon.process.wait(PATIENCE_S) == 0
    assert not any(filters(lab).values())
    assert not lab.daemon.bpf_dir.exists()
    assert lab.snapshot() == lab.before
    assert lab.run("client", "ping", "-c", 1, "-W", 1, SERVER, check=False).returncode != 0, "still steered"
