# SPDX-License-Identifier: GPL-2.0
"""
A WAN's quota of the month with real traffic: the warning, new flows elsewhere, nothing at all any more; and that what
is used is known whatever happens to the controller. Months are tests/unit/test_quota.c's.
"""

import contextlib
import json
import re
import signal
import time

import pytest

from inside import open_socket
from lab import FAMILIES, V4, wait_for
from steering import wait_up
from ways import Ways, fails, udp

NAMES = {1: "fiber", 2: "lte"}
MB = 1_000_000
PORT, SIZE = 9009, 1000  # of IP
SLACK = 60_000  # probes of a test
SEEN_S = 5  # it is looked at once a second


def config(quota):
    return f"""
lan: [lan0]
firewall: bypass
wans:
  fiber: {{device: wan1, quota: {quota}}}
  lte: {{device: wan2}}
probes:
  default: {{targets: ["icmp:203.0.113.1", "icmp:203.0.113.2", "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]}}
failback: {{hold: 500ms}}
classes:
  alone: {{match: [{{dport: 9001}}], prefer: [fiber], only: true}}
  filling: {{match: [{{dport: {PORT}}}], prefer: [fiber]}}
  default: {{prefer: [fiber]}}
"""


def start(lab, quota):
    daemon = lab.start_daemon(config(quota))
    wait_up(daemon)
    return daemon


def used(daemon):
    return daemon.wan("fiber")["quota"]["used_bytes"]


class Stream:
    """A flow of one client's that goes on; send() and receive() so many bytes of IP, in whole packets."""

    def __init__(self, lab):
        self.sockets = contextlib.ExitStack()
        self.theirs = self.sockets.enter_context(open_socket(lab, "inet", bind=(V4.server, PORT)))
        self.ours = self.sockets.enter_context(open_socket(lab, "client", bind=("0.0.0.0", 0)))
        self.ours.connect((V4.server, PORT))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sockets.close()

    def send(self, size):
        """The source that the server saw last."""
        for _ in range(size // SIZE):
            self.ours.send(bytes(SIZE - 28))
            _, source = self.theirs.recvfrom(SIZE)
        return source

    def receive(self, size):
        source = self.send(SIZE)
        for _ in range(size // SIZE - 1):
            self.theirs.sendto(bytes(SIZE - 28), source)
            self.ours.recv(SIZE)


def told(daemon):
    return [event["cause"] for event in daemon.events("quota")]


def wait_told(daemon, cause):
    wait_for(lambda: cause in told(daemon), SEEN_S, f"{cause} to be told", 0.1)


def why(daemon, name="default"):
    classes = {row["name"]: row for row in daemon.json("class", "list")["classes"]}
    return {wan["name"]: wan["why"] for wan in classes[name]["wans"]}["fiber"]


def wans_of_new(lab, **kwargs):
    sources = {(ip, udp(lab, ip, **kwargs)) for ip in FAMILIES}
    return {next(n for n in NAMES if source == ip.wan(n)) for ip, source in sources}


def test_warning_and_avoid(lab):
    """Both directions and the probes; new flows go elsewhere, and only as long as there is one."""
    daemon = start(lab, "{limit: 1MB}")
    with Stream(lab) as stream:
        before = used(daemon)
        stream.send(300_000)
        stream.receive(300_000)
        wait_for(lambda: used(daemon) >= before + 600_000, SEEN_S, "it to be counted")
        assert used(daemon) <= before + 600_000 + SLACK
        quiet = used(daemon)
        wait_for(lambda: used(daemon) > quiet, SEEN_S, "probes to be counted")
        assert told(daemon) == [] and wans_of_new(lab) == {1}
        stream.send(250_000)
        wait_told(daemon, "warning")
        assert told(daemon) == ["warning"] and wans_of_new(lab) == {1}
        assert daemon.events("quota")[0]["wan"] == "fiber"
        assert daemon.events("quota")[0]["evidence"].endswith("of 0.001 GB used")
        stream.receive(200_000)
        wait_told(daemon, "avoid")
        assert told(daemon) == ["warning", "avoid"]
        assert re.search(r"^quota +1\.\d MB of 1\.0 MB$", daemon.cli("wan", "show", "fiber").stdout, re.MULTILINE)
        assert "quota" not in daemon.cli("wan", "show", "lte").stdout
        assert why(daemon) == "its quota is used up, and others are left"
        assert wans_of_new(lab) == {2}
        assert stream.send(SIZE)[0] == V4.wan(1)  # who is there stays
        assert wans_of_new(lab, port=9001) == {1}  # who has nothing else may
        lab.break_wan(2, "blackhole")
        daemon.wait_states(lte="down")
        assert wans_of_new(lab) == {1}
        lab.heal(2)
        daemon.wait_states(lte="up")
        wait_for(lambda: wans_of_new(lab) == {2}, SEEN_S, "new flows to be elsewhere again")
        daemon.cli("wan", "up", "fiber")  # the hand stands above it
        assert wans_of_new(lab) == {1}


def test_block(lab):
    """Nothing of users' is carried, new or old, even where nothing else is left; probes go on."""
    daemon = start(lab, "{limit: 1MB, warn: 50%, action: block}")
    with Stream(lab) as stream, Ways(lab) as ways:
        assert stream.send(1_000_000)[0] == V4.wan(1)
        wait_told(daemon, "block")
        assert told(daemon) == ["warning", "block"]
        assert why(daemon) == "its quota is used up"
        assert stream.send(SIZE)[0] == V4.wan(2)
        assert wans_of_new(lab) == {2}
        for ip in FAMILIES:
            assert fails(udp, lab, ip, port=9001)
        lab.break_wan(2, "blackhole")
        daemon.wait_states(lte="down")
        ways.forget()
        for ip in FAMILIES:
            assert fails(udp, lab, ip)
        assert not [seen for seen in ways.up(dst=V4.server) if seen.wan == 1]
        assert daemon.states()["fiber"] == "up"


@pytest.mark.parametrize("end", ["terminated", "killed", "stopped"])
def test_counted_across(lab, end):
    """A restart, a crash, and all being taken out: what is used stays known, and so does what follows from it."""
    daemon = start(lab, "{limit: 2MB}")
    with Stream(lab) as stream:
        before = used(daemon)
        stream.send(900_000)
        if end == "killed":
            wait_for(lambda: used(daemon) >= before + 900_000, SEEN_S, "it to be counted")
        if end == "stopped":
            daemon.cli("stop")
            daemon.process.wait(10)
            assert not daemon.bpf_dir.exists()
        else:
            daemon.end(signal.SIGKILL if end == "killed" else signal.SIGTERM)
            stream.receive(200_000)  # carried with nobody there
        kept = json.loads((daemon.state_dir / "quota.json").read_text())["fiber"]
        assert set(kept) == {"period_s", "used_bytes", "counter", "warned"}
        assert kept["period_s"] <= time.time()
        lab.start_daemon(None)
        wait_up(daemon)
        carried = 900_000 + (0 if end == "stopped" else 200_000)
        wait_for(lambda: used(daemon) >= before + carried, SEEN_S, "all of it to be known")
        assert used(daemon) <= before + carried + 2 * SLACK
        stream.send(900_000 if end != "stopped" else 1_100_000)
        wait_told(daemon, "avoid")
        assert wans_of_new(lab) == {2}
    daemon.end()
    lab.start_daemon(None)
    wait_up(daemon)
    wait_for(lambda: wans_of_new(lab) == {2}, SEEN_S, "it to be avoided from the start")
    assert told(daemon).count("warning") == 1


def test_reload(lab):
    """Another limit means another verdict on what is used; a quota that is new begins with what passes then."""
    daemon = start(lab, "{limit: 1MB}")
    with Stream(lab) as stream:
        stream.send(1_000_000)
        wait_told(daemon, "avoid")
        daemon.config.write_text(config("{limit: 3MB}"))
        daemon.cli("reload")
        wait_for(lambda: wans_of_new(lab) == {1}, SEEN_S, "new flows to be back")
        assert used(daemon) >= 1_000_000
        both = config("{limit: 3MB}").replace("device: wan2", "device: wan2, quota: {limit: 1MB}")
        lab.break_wan(1, "blackhole")
        daemon.wait_states(fiber="down")
        assert stream.send(1_500_000)[0] == V4.wan(2)
        daemon.config.write_text(both)
        daemon.cli("reload")
        time.sleep(2)
        assert daemon.wan("lte")["quota"]["used_bytes"] < SLACK
        assert "lte" not in {event["wan"] for event in daemon.events("quota")}
