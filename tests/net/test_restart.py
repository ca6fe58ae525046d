# SPDX-License-Identifier: GPL-2.0
"""
The controller dies and comes back: users' traffic and their flows do not notice, what was set by hand holds, and
meanwhile the data plane can be read and steered with bpftool.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from lab import SERVER, LabError, account, wait_for
from steering import (
    FIBER,
    FIREWALLS,
    LTE,
    config,
    drops,
    figure,
    flows,
    pins,
    rounds,
    start,
    table,
    tcp_session,
    udp_stream,
    wait_up,
    way_of,
    ways_of_new_flows,
)

LAB = {"wans": 2}
GLOBAL = 64  # the row of wh_steer that belongs to all classes
ALIVE4 = 8  # where alive4 stands in a row
BALANCE = "{{balance: {{fiber: {0}, lte: {1}}}, affinity: flow}}"


class Reloads:
    """Gives the controller another configuration all the time, so that it always has buckets to swap."""

    def __init__(self, daemon, firewall):
        self.daemon, self.firewall, self.done, self.end = daemon, firewall, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def run(self):
        weight = 1
        while not self.end.wait(0.005):
            weight = 1 + weight % 9
            fresh = self.daemon.config.with_suffix(".new")
            fresh.write_text(config(BALANCE.format(weight, 10 - weight), firewall=self.firewall))
            fresh.rename(self.daemon.config)
            self.done += self.daemon.cli("reload", check=False).returncode == 0


def heavy_tcp(lab, seconds):
    """iperf3 beside the streams, at a pace that the machine can keep up."""
    server = lab.command("inet", "iperf3", "-s", "-1", "-B", SERVER)
    client = lab.command("client2", "iperf3", "-c", SERVER, "-t", seconds, "-b", "100M", "-P", 2, "-J")
    with open(os.devnull, "wb") as null:
        serving = subprocess.Popen(server, stdout=null, stderr=null)
    wait_for(lambda: ":5201" in lab.run("inet", "ss", "-ltn").stdout, 5, "iperf3 to listen")
    return serving, subprocess.Popen(client, stdout=subprocess.PIPE)


def intervals_of(serving, sending):
    """Bits a second in each second of an iperf3 that went through."""
    told = json.loads(sending.communicate(timeout=30)[0])
    serving.wait(5)
    if "error" in told:
        raise LabError(f"iperf3: {told['error']}")
    return [interval["sum"]["bits_per_second"] for interval in told["intervals"]]


def kill_and_restart(lab, chance, reloads):
    """SIGKILL at any moment of the controller's work; later it is back."""
    wait_for(lambda done=reloads.done: reloads.done > done, 5, "a reload")
    time.sleep(chance.uniform(0, 1.0))
    lab.daemon.end(signal.SIGKILL)
    before = pins(lab.daemon)
    time.sleep(0.2)
    lab.daemon.start(None)
    return before


def one_round(lab, chance, firewall, kill):
    """Datagrams lost and packets dropped in some seconds, with a kill or without; and whether flows stayed."""
    dropped = drops(lab.daemon)
    serving, sending = heavy_tcp(lab, 4)
    stream = udp_stream(lab, "--flows", 8)
    with Reloads(lab.daemon, firewall) as reloads:
        before = kill_and_restart(lab, chance, reloads) if kill else pins(lab.daemon)
        now = reloads.done
        wait_for(lambda: reloads.done > now, 5, "a reload after the restart")
        after = pins(lab.daemon)
        pace = intervals_of(serving, sending)
    lost = account.lost(stream.stop())
    gone = {name: n - dropped[name] for name, n in drops(lab.daemon).items() if n > dropped[name]}
    kept = {five: after.get(five) for five in before if five[4] in (7, 5201)}
    assert len(kept) >= 8 + 2 and len({wan for wan, _ in before.values()}) == 2
    assert kept == {five: before[five] for five in kept}, "5-tuple → WAN, external port"
    assert min(pace) > 0
    return len(lost), sum(gone.values())


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_kills_at_random_moments_cost_nothing(lab, firewall):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    start(lab, BALANCE.format(5, 5), firewall=firewall)
    lab.servers("udp")
    quiet, killed = [], []
    for _ in range(rounds(2, 15)):
        quiet.append(one_round(lab, chance, firewall, kill=False))
        killed.append(one_round(lab, chance, firewall, kill=True))
    lost, dropped = zip(*(map(sum, zip(*some)) for some in (quiet, killed)))
    figure(
        f"SIGKILL, {firewall} (seed {seed}), without kill / with",
        rounds=len(killed),
        datagrams_lost=f"{lost[0]} / {lost[1]}",
        packets_dropped=f"{dropped[0]} / {dropped[1]}",
    )
    assert lost[1] <= lost[0]
    assert dropped[1] <= dropped[0]


def test_the_hand_survives(lab):
    daemon = start(lab)
    lab.servers("dns")
    daemon.cli("wan", "down", "fiber", "--reason", "maintenance")
    for number in (signal.SIGKILL, signal.SIGTERM):
        daemon.end(number)
        assert ways_of_new_flows(lab) == {LTE}
        daemon.start(None)
        wan = daemon.wan("fiber")
        assert (wan["state"], wan["forced"]) == ("forced-down", "down")
        assert "maintenance" in wan["reason"]
    assert ways_of_new_flows(lab) == {LTE}
    daemon.cli("wan", "auto", "fiber")
    wait_up(daemon, "fiber")


def test_states_are_adopted(lab):
    """A controller that comes back does not forget that a WAN is dead, nor that the other is well."""
    daemon = start(lab)
    lab.servers("udp")
    lab.break_wan(1, "blackhole")
    daemon.wait_states(fiber="down")
    stream = udp_stream(lab)
    daemon.end(signal.SIGKILL)
    daemon.start(None)
    assert daemon.states() == {"fiber": "down", "lte": "up"}
    lab.heal(1)
    wait_up(daemon, "fiber")
    records = stream.stop()
    assert {record["wan"] for record in account.echoes(records)} == {LTE} and account.lost(records) == []


def set_alive(lab, mask):
    """As a person would: the row as it is, with another alive4."""
    pinned = lab.daemon.bpf_dir / "wh_steer"
    key = ("key", GLOBAL, 0, 0, 0)
    row = json.loads(lab.run("router", "bpftool", "-j", "map", "lookup", "pinned", pinned, *key).stdout)["value"]
    row[ALIVE4] = f"{mask:#04x}"
    lab.run("router", "bpftool", "map", "update", "pinned", pinned, *key, "value", *row)


def test_flipping_by_hand_without_a_controller(lab):
    daemon = start(lab)
    lab.servers("udp", "tcp", "dns")
    stream, session = udp_stream(lab), tcp_session(lab)
    daemon.end(signal.SIGKILL)
    for mask, way in ((0b10, LTE), (0b01, FIBER)):
        set_alive(lab, mask)
        wait_for(lambda way=way: way_of(stream) == way, 5, f"the stream to go by {way}")
        assert ways_of_new_flows(lab) == {way}
    records = stream.stop()
    assert account.lost(records) == [], "both WANs were well"
    resets = account.events(session.records(), "reset")
    assert [event["error"] for event in resets] == ["ECONNRESET"] * 2, "one for each flip"
    order = [record["wan"] for record in sorted(account.echoes(records), key=lambda record: record["seq"])]
    changes = [way for way, before in zip(order, [None, *order]) if way != before]
    assert changes == [FIBER, LTE, FIBER]


def test_bpftool_shows_names(lab):
    daemon = start(lab)
    lab.servers("udp")
    udp_stream(lab)
    (flow,) = flows(daemon, proto="udp", dport=7)
    daemon.end(signal.SIGKILL)
    users = [value for key, value in table(daemon, "wh_flows4") if key["proto"] == 17 and value["class"] == 0]
    (pin,) = (value["pin"][""] for value in users)
    assert pin["wan"] == 0 and pin["state"] == 0
    assert int.from_bytes(pin["external_port"].to_bytes(2, "little"), "big") == flow["ext_port"]
    rows = dict(table(daemon, "wh_steer"))
    assert rows[0]["masks"][""]["keep4"] == rows[0]["masks"][""]["fresh4"] == 0b11
    assert rows[GLOBAL]["alive"][""]["alive4"] == 0b11
    text = lab.run("router", "bpftool", "map", "dump", "pinned", daemon.bpf_dir / "wh_flows4").stdout
    for name in ("pin", "wan", "external_port", "tx_packets", "seen_ns"):
        assert f'"{name}":' in text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_of_a_dead_controller_is_left(lab, number):
    """Its prober ends with it, and a restart finds no second veth."""
    daemon = start(lab)

    def links():
        return lab.run("router", "ip", "-j", "link").stdout.count('"ifname"')

    def programs():
        pattern = f"wanhelmd.*{daemon.run_dir}"
        return subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False).stdout.split()

    before = links()
    assert len(programs()) > 1, "controller and prober"
    daemon.end(number)
    wait_for(lambda: programs() == [], 5, "the prober to end")
    daemon.start(None)
    assert links() == before
