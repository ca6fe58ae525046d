# SPDX-License-Identifier: GPL-2.0
"""
Limits of a class on latency and loss: what is beyond them loses that class's new flows, or all of its flows, and nobody
else's; it has them again after half a minute well inside. And a call, of which all parts go one way.
"""

import contextlib
import datetime
import time

import pytest

from inside import open_socket
from lab import FAMILIES, V4, wait_for
from steering import figure, wait_up
from ways import Ways, udp

LAB = {"wans": 4}

NAMES = {1: "fiber", 2: "lte", 3: "cable", 4: "dsl"}
BACK_S = 30  # so long inside 80 % of the limits
SIP, RTP = 5060, (16384, 16385, 16386, 16387)  # voice and its RTCP, video and its
CALL = (SIP, *RTP)


def start(lab, classes):
    daemon = lab.start_daemon(f"""
lan: [lan0]
firewall: bypass
wans:
  fiber: {{device: wan1}}
  lte: {{device: wan2}}
  cable: {{device: wan3}}
  dsl: {{device: wan4}}
probes:
  default:
    targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]
    interval: 200ms
failback: {{hold: 500ms}}
classes:
{classes}""")
    wait_up(daemon)
    return daemon


class Call:
    """Datagrams there and back on several ports of two hosts, the same for as long as it is open."""

    def __init__(self, lab, ip, ports=CALL, part="client", server=10):
        self.ip = ip
        self.sockets = contextlib.ExitStack()
        self.pairs = []
        for port in ports:
            theirs = self.sockets.enter_context(open_socket(lab, "inet", bind=(ip.server_at(server), port)))
            ours = self.sockets.enter_context(open_socket(lab, part, bind=(ip.any, 0)))
            ours.connect((ip.server_at(server), port))
            self.pairs.append((ours, theirs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sockets.close()

    def sources(self):
        """What the other side sees of each, once both halves have passed."""
        seen = set()
        for ours, theirs in self.pairs:
            ours.send(b"there")
            _, source = theirs.recvfrom(100)
            theirs.sendto(b"back", source)
            assert ours.recv(100) == b"back"
            seen.add(source[0])
        return seen

    def wan(self):
        """The one that all of it goes by; 0: there are several."""
        sources = self.sources()
        return next((number for number in NAMES if sources == {self.ip.wan(number)}), 0)


def hosts(ip):
    return [(part, server) for part in ("client", "client2") for server in range(3, 11)]  # others are probed


# --- a call ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_a_call_goes_one_way(lab, ip):
    """SIP and all of its media by one WAN, there and back; other pairs of hosts have other WANs."""
    balance = "balance: {fiber: 1, lte: 1, cable: 1}"
    daemon = start(lab, f"  default: {{{balance}}}")
    chosen = set()
    for part, server in hosts(ip):
        with Ways(lab) as ways, Call(lab, ip, part=part, server=server) as call:
            wan = call.wan()
            assert wan and call.wan() == wan
            assert {seen.wan for seen in ways.up(dst=ip.server_at(server))} == {wan}
            assert {seen.wan for seen in ways.down(src=ip.server_at(server))} == {wan}
            assert len(ways.up(dst=ip.server_at(server))) == len(ways.down(src=ip.server_at(server))) == 2 * len(CALL)
        chosen.add(wan)
    assert chosen == {1, 2, 3}
    # The same where each flow goes for itself: so it is no chance.
    daemon.config.write_text(daemon.config.read_text().replace(balance, f"{balance}, affinity: flow"))
    daemon.cli("reload")
    ports = range(20000, 20020)
    with Call(lab, ip, ports) as call:
        assert call.wan() == 0


# --- limits ---------------------------------------------------------------------------------------------------------

LIMITS = """
  voice: {match: [{proto: udp, dport: 9001}], prefer: [fiber, lte], sla: {latency: 40ms}}
  call:
    match: [{proto: udp, dport: [5060, 16384-16387]}]
    prefer: [fiber, {lte: 1, cable: 1}]
    sla: {latency: 40ms}
    sla-action: move
  stream: {match: [{proto: udp, dport: 9002}], prefer: [dsl, lte], sla: {loss: 3%}}
  default: {prefer: [fiber]}
"""


def judged(daemon, name, verdict):
    """Records of one class's limits."""
    told = [e for e in daemon.events("state") if (e.get("class"), e["cause"]) == (name, "sla")]
    return [e for e in told if f": {verdict} the class's" in e["evidence"]]


def listed(daemon, name):
    """What `class list` says: WAN → its row"""
    classes = {row["name"]: row for row in daemon.json("class", "list")["classes"]}
    return {wan["name"]: wan for wan in classes[name]["wans"]}


def wan_of_new(lab, port):
    """The WAN of a new flow to that port, in both families."""
    seen = {next(n for n in NAMES if udp(lab, ip, port=port) == ip.wan(n)) for ip in FAMILIES}
    assert len(seen) == 1
    return seen.pop()


def seconds_of(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def test_limits(lab):
    """One WAN grows slow and one loses packets: three classes leave the one or the other, each as it is told."""
    daemon = start(lab, LIMITS)
    ports = {"voice": 9001, "stream": 9002, "default": 9003}
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(Call(lab, ip)) for ip in FAMILIES]
        spoken = stack.enter_context(Call(lab, V4, [9001], server=9))
        others = stack.enter_context(Call(lab, V4, [9003], server=9))
        assert [wan_of_new(lab, port) for port in ports.values()] == [1, 4, 1]
        assert {one.wan() for one in (*calls, spoken, others)} == {1}
        lab.break_wan(1, "delay", 50)
        lab.break_wan(4, "loss", 15, "--dir", "up")
        for name in ("voice", "call", "stream"):
            wait_for(lambda name=name: len(judged(daemon, name, "outside")) == len(FAMILIES), 30, f"{name} to be out")
        assert {e["wan"] for e in judged(daemon, "voice", "outside")} == {"fiber"}
        assert {e["wan"] for e in judged(daemon, "stream", "outside")} == {"dsl"}
        assert "latency 1" in judged(daemon, "voice", "outside")[0]["evidence"]
        assert "limit 40 ms" in listed(daemon, "voice")["fiber"]["why"]
        assert "limit 3 %" in listed(daemon, "stream")["dsl"]["why"]
        assert not listed(daemon, "voice")["fiber"]["fresh"] and listed(daemon, "voice")["fiber"]["keep"]
        assert not listed(daemon, "call")["fiber"]["keep"]
        assert listed(daemon, "default")["fiber"]["fresh"]
        # New flows, and of one class the old ones too, all of a call together.
        assert [wan_of_new(lab, port) for port in ports.values()] == [2, 2, 1]
        assert spoken.wan() == others.wan() == 1
        moved = [call.wan() for call in calls]
        assert set(moved) <= {2, 3}
        healed_s = time.time()
        lab.heal(1)
        wait_for(lambda: len(judged(daemon, "voice", "inside")) == len(FAMILIES), BACK_S + 15, "voice to be inside")
        took_s = min(seconds_of(e) for e in judged(daemon, "voice", "inside")) - healed_s
        figure("limits kept again", returned_after_s=f"{took_s:.1f}")
        assert took_s > BACK_S
        assert wan_of_new(lab, ports["voice"]) == 1
        assert [call.wan() for call in calls] == moved  # failback drains
        assert set(daemon.states().values()) == {"up"}
    assert not daemon.events("failover")
