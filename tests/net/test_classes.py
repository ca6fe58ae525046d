# SPDX-License-Identifier: GPL-2.0
"""
Traffic classes on a running router: which WAN a flow takes by what it is, what is never used whatever fails, what is
dropped, rejected or left to the kernel, changes by reload and by hand, and what explain says of it all.
"""

import contextlib
import errno
import socket

import pytest

from inside import open_socket
from lab import FAMILIES, V4, wait_for
from steering import flows, reasons, table, wait_up
from ways import SERVICE, Ways, fails, tcp, udp

LAB = {"wans": 3, "options": ["--lan2"]}

NAMES = {1: "fiber", 2: "lte", 3: "cable"}

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)
firewalls = pytest.mark.parametrize("firewall", ["kernel", "bypass"])


def config(classes, firewall="bypass", lte="metered: true", more=""):
    return f"""
lan: [lan0, lan2]
firewall: {firewall}
wans:
  fiber: {{device: wan1}}
  lte: {{device: wan2, {lte}}}
  cable: {{device: wan3}}
probes:
  default:
    targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]
    interval: 200ms
failback: {{hold: 500ms}}
{more}
classes:
{classes}
"""


def start(lab, *args, **kwargs):
    daemon = lab.start_daemon(config(*args, **kwargs))
    wait_up(daemon)
    return daemon


def reload(daemon, *args, **kwargs):
    daemon.config.write_text(config(*args, **kwargs))
    daemon.cli("reload")


def explain(daemon, *args):
    return daemon.json("explain", *args)


# --- which class ----------------------------------------------------------------------------------------------------

BY_FIELD = """
  ports: {match: [{proto: udp, dport: [9001, 9010-9019]}], prefer: [lte]}
  other-lan: {match: [{in: lan2}], prefer: [cable]}
  source: {match: [{from: [10.77.0.3, "fd00:77::3"]}], prefer: [cable]}
  target: {match: [{to: [203.0.113.7/32, "2001:db8:203::7/128"]}], prefer: [lte]}
  default: {prefer: [fiber]}
"""


@families
@firewalls
def test_fields(lab, ip, firewall):
    start(lab, BY_FIELD, firewall=firewall)
    assert udp(lab, ip) == ip.wan(1)
    assert udp(lab, ip, port=9001) == udp(lab, ip, port=9015) == ip.wan(2)
    assert tcp(lab, ip, port=9001) == ip.wan(1)
    assert udp(lab, ip, port=9020) == ip.wan(1)
    assert udp(lab, ip, part="client2") == ip.wan(3)
    assert udp(lab, ip, part="client2", port=9001) == ip.wan(2)  # the first line that matches
    assert udp(lab, ip, part="client3") == ip.wan(3)
    assert udp(lab, ip, to=ip.server_at(7)) == ip.wan(2)


@families
def test_dscp_and_the_router_s_own(lab, ip):
    start(lab, """
  own: {match: [{in: router, proto: tcp}], prefer: [cable]}
  voice: {match: [{dscp: ef}], prefer: [lte], mark-dscp: af41}
  default: {prefer: [fiber]}
""")
    assert tcp(lab, ip, part="router") == ip.wan(3)
    assert udp(lab, ip, part="router") == ip.wan(1)
    assert tcp(lab, ip) == ip.wan(1)
    level, option = (socket.IPPROTO_IP, socket.IP_TOS) if ip.version == 4 else (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
    with Ways(lab) as ways, contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as call:
        call.setsockopt(level, option, 46 << 2)
        call.sendto(b"hello", (ip.server, 7000))
        (seen,) = wait_for(lambda: ways.up(dport=7000), 3, "the packet")
    assert (seen.wan, seen.ip.src) == (2, ip.wan(2))
    assert (seen.ip.tos if ip.version == 4 else seen.ip.tc) >> 2 == 34


# --- never ----------------------------------------------------------------------------------------------------------

NEVER = """
  backups: {match: [{dport: 9001}], prefer: [fiber, cable], never: [lte]}
  default: {prefer: [fiber, lte, cable]}
"""


@families
@firewalls
def test_never(lab, ip, firewall):
    """Whatever fails, whatever the hand says, whatever stands in the masks."""
    daemon = start(lab, NEVER, firewall=firewall)
    with Ways(lab) as ways:
        assert udp(lab, ip, port=9001) == ip.wan(1)
        lab.break_wan(1, "blackhole")
        daemon.wait_states(fiber="down")
        assert udp(lab, ip, port=9001) == ip.wan(3)
        lab.break_wan(3, "blackhole")
        daemon.wait_states(cable="down")
        daemon.cli("wan", "up", "lte")
        assert udp(lab, ip) == ip.wan(2)
        assert fails(udp, lab, ip, port=9001)
        assert fails(udp, lab, ip, port=9001, part="router")
        number = daemon.wan("lte")["index"]
        row = class_row(daemon, "backups")
        fill_masks(daemon, row)
        assert fails(udp, lab, ip, port=9001)
        assert not [seen for seen in ways.up(dport=9001) if seen.wan == 2], number


def class_row(daemon, name):
    return next(row for row, value in table(daemon, "wh_classes") if value["name"] == name)


def fill_masks(daemon, row):
    """By bpftool: every WAN keeps and takes the class's flows."""
    path = daemon.bpf_dir / "wh_steer"
    shown = daemon.lab.run("router", "bpftool", "-j", "map", "lookup", "pinned", path, "key", *row.to_bytes(4, "little"))
    value = [int(byte, 16) for byte in __import__("json").loads(shown.stdout)["value"]]
    value[:4] = [255] * 4
    key = [str(byte) for byte in row.to_bytes(4, "little")]
    daemon.lab.run("router", "bpftool", "map", "update", "pinned", path, "key", *key, "value", *map(str, value))


def test_the_hand_is_told(lab):
    daemon = start(lab, NEVER)
    told = daemon.cli("class", "pin", "backups", "lte", check=False)
    assert told.returncode == 1
    assert "backups never uses lte" in told.stderr
    assert "backups never uses it" in daemon.cli("wan", "up", "lte").stdout


def test_metered(lab):
    """Used by those that name it only."""
    daemon = start(lab, """
  named: {match: [{dport: 9001}], prefer: [lte]}
  default: {prefer: [fiber]}
""")
    assert udp(lab, V4, port=9001) == V4.wan(2)
    for number in (1, 3):
        lab.break_wan(number, "blackhole")
    daemon.wait_states(fiber="down", cable="down")
    assert fails(udp, lab, V4)


# --- actions --------------------------------------------------------------------------------------------------------

ACTIONS = """
  dropped: {match: [{dport: 9001}], action: drop}
  rejected: {match: [{dport: 9002}], action: reject}
  kernels: {match: [{dport: 9003}], action: kernel}
  default: {prefer: [cable]}
"""


@families
def test_actions(lab, ip):
    daemon = start(lab, ACTIONS)
    assert udp(lab, ip) == ip.wan(3)
    assert fails(udp, lab, ip, port=9001)
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as ours:
        ours.connect((ip.server, 9002))
        ours.send(b"?")
        with pytest.raises(OSError) as refused:
            ours.recv(10)
    assert refused.value.errno in (errno.EHOSTUNREACH, errno.EACCES)
    dropped = reasons(daemon, "drops_total")
    assert dropped["class-drop"] >= 1 and dropped["class-reject"] >= 1


@families
def test_the_kernel_s_class(lab, ip, rules):
    """By the kernel's own default WAN, masqueraded by the user's own rule; without one it is a leak."""
    daemon = start(lab, ACTIONS)
    with Ways(lab) as ways:
        assert fails(udp, lab, ip, port=9003)
        assert not ways.up(dport=9003)
        lab.nft("router", f"""
            table {ip.nft} mine {{ chain post {{ type nat hook postrouting priority 100; oifname "wan*" masquerade; }}; }}""")
        assert udp(lab, ip, port=9003) == ip.wan(1)
        assert tcp(lab, ip, port=9003) == ip.wan(1)
    assert not flows(daemon, dport=9003)
    assert udp(lab, ip) == ip.wan(3)


# --- changes --------------------------------------------------------------------------------------------------------


@families
@firewalls
def test_reload(lab, ip, firewall):
    """What may stay stays; what is on a WAN that is forbidden now leaves it."""
    daemon = start(lab, "  default: {prefer: [fiber]}", firewall=firewall)
    with (
        contextlib.closing(open_socket(lab, "inet", bind=(ip.server, SERVICE))) as server,
        contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as ours,
    ):
        ours.connect((ip.server, SERVICE))

        def way():
            ours.send(b"?")
            _, seen = server.recvfrom(10)
            server.sendto(b"!", seen)
            assert ours.recv(10) == b"!"
            return seen[0]

        assert way() == ip.wan(1)
        reload(daemon, "  mine: {match: [{proto: udp}], prefer: [cable]}\n  default: {prefer: [fiber]}", firewall=firewall)
        assert way() == ip.wan(1)
        wait_for(lambda: way() and flows(daemon, dport=SERVICE)[0]["class"] == "mine", 3, "its class to be the new one")
        assert udp(lab, ip, port=9001) == ip.wan(3)
        reload(daemon, "  mine: {match: [{proto: udp}], never: [fiber]}\n  default: {prefer: [fiber]}", firewall=firewall)
        assert way() == ip.wan(3)


def test_pin(lab):
    daemon = start(lab, NEVER)
    assert udp(lab, V4) == V4.wan(1)
    daemon.cli("class", "pin", "default", "cable")
    assert udp(lab, V4) == V4.wan(3)
    listed = {row["name"]: row for row in daemon.json("class", "list")["classes"]}
    assert listed["default"]["pinned"] == "cable"
    assert {wan["name"]: wan["fresh"] for wan in listed["default"]["wans"]} == {
        "fiber": False, "lte": False, "cable": True}
    lab.break_wan(3, "blackhole")
    daemon.wait_states(cable="down")
    assert udp(lab, V4) == V4.wan(1)
    lab.heal(3)
    wait_up(daemon, "cable")
    assert udp(lab, V4) == V4.wan(3)
    daemon.end()
    lab.start_daemon(None)
    wait_up(daemon)
    assert udp(lab, V4) == V4.wan(3)
    daemon.cli("class", "auto", "default")
    assert udp(lab, V4) == V4.wan(1)


# --- explain --------------------------------------------------------------------------------------------------------


def line_of(daemon, text):
    return 1 + next(i for i, line in enumerate(daemon.config.read_text().splitlines()) if text in line)


@families
def test_explain(lab, ip):
    daemon = start(lab, BY_FIELD)
    told = explain(daemon, ip.client, ip.server, "--proto", "udp", "--dport", "9015")
    assert (told["class"], told["wan"], told["flow"]) == ("ports", "lte", None)
    assert told["rule"] == {"file": str(daemon.config), "line": line_of(daemon, "ports:")}
    assert explain(daemon, ip.client, ip.server)["class"] == "default"
    assert explain(daemon, ip.client, ip.server, "--in", "lan2")["class"] == "other-lan"
    assert explain(daemon, ip.inside(9, 2), ip.server)["class"] == "other-lan"
    wans = {wan["name"]: wan for wan in explain(daemon, ip.client, ip.server)["wans"]}
    assert wans["fiber"]["eligible"] and wans["fiber"]["order"] == 1
    assert not wans["lte"]["eligible"] and wans["lte"]["why"] == "metered, and the class does not name it"
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    told = explain(daemon, ip.client, ip.server)
    assert told["wan"] == "cable"
    assert "answer" in {wan["name"]: wan for wan in told["wans"]}["fiber"]["why"]


def test_explain_a_flow(lab):
    daemon = start(lab, BY_FIELD)
    with (
        contextlib.closing(open_socket(lab, "inet", bind=(V4.server, 9001))) as server,
        contextlib.closing(open_socket(lab, "client", bind=(V4.any, 4444))) as ours,
    ):
        ours.sendto(b"?", (V4.server, 9001))
        server.recvfrom(10)
        told = explain(daemon, V4.client, V4.server, "--proto", "udp", "--sport", "4444", "--dport", "9001")
    assert told["flow"]["wan"] == told["wan"] == "lte"
    assert told["flow"]["rule"] == told["rule"]
    told = explain(daemon, V4.client, V4.router)
    assert told["reason"] == "kernel-route" and told["wan"] is None
