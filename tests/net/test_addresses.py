# SPDX-License-Identifier: GPL-2.0
"""
A WAN's own addresses, gateway and device change under traffic. At each test's end a capture on every WAN is looked
through: nobody's packets but those of the WAN's own sources may have left, and after an address is gone none of its.
"""

import contextlib
import ipaddress
import json
import select
import socket
import threading
import time

import pytest

from inside import Capture, open_socket
from lab import LabError, wait_for
from steering import figure
from wire import V4, V6, Flow, dial, exchange, serve, settings, start

LAB = {"wans": 2, "options": ["--delegate"]}

OTHER4, OTHER6 = "198.18.101.2", "2001:db8:101::2"


def ip(lab, part, *args, check=True):
    lab.run(part, "ip", *args, check=check)


# --- what may be seen --------------------------------------------------------------------------------------------


class Guard:
    """What left by each WAN, in its order: read all the time, in a thread of its own."""

    def __init__(self, lab):
        self.lab, self.seen, self.rounds, self.ending = lab, [], 0, False
        self.more = {1: [], 2: []}  # prefixes besides the WAN's usual
        self.absences = {}  # address → the part of what is seen where it may not be
        self.captures = {number: Capture(lab, f"isp{number}", "cust0") for number in (1, 2)}
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.ending:
            for number, capture in list(self.captures.items()):
                select.select([capture.sock], [], [], 0.002)
                self.seen += [(number, f.data) for f in capture.frames() if not f.outgoing]
            self.rounds += 1

    def again(self, number):
        """The provider's device is another one now."""
        self.captures[number] = Capture(self.lab, f"isp{number}", "cust0")

    def sources(self):
        """(place, WAN, source) of each."""
        for place, (number, data) in enumerate(self.seen):
            kind = data[12:14]
            if kind == b"\x08\x00":
                yield place, number, ipaddress.ip_address(data[26:30])
            elif kind == b"\x86\xdd":
                yield place, number, ipaddress.ip_address(data[22:38])

    def owns(self, number, source):
        if source.is_link_local or source.is_unspecified:
            return True
        usual = [f"198.18.{number}.0/30", f"2001:db8:{number}::/48", *self.more[number]]
        return any(source in ipaddress.ip_network(net) for net in usual)

    def gone(self, address, known):
        """As soon as the controller knows that, which known() tells: from the next packet on."""
        wait_for(known, 5, f"{address} to be given up")
        rounds = self.rounds
        wait_for(lambda: self.rounds > rounds + 1, 5, "what had left before to be read")
        self.absences[address] = len(self.seen), None

    def back(self):
        """All of them are going to be there again."""
        self.absences = {address: (since, len(self.seen)) for address, (since, _) in self.absences.items()}

    def judge(self):
        self.ending = True
        self.thread.join(5)
        sources = list(self.sources())
        assert sources, "nothing was seen at all"
        assert [(n, str(s)) for _, n, s in sources if not self.owns(n, s)] == []
        for address, (since, until) in self.absences.items():
            absent = range(since, len(self.seen) if until is None else until)
            late = [place - since for place, _, source in sources if str(source) == address and place in absent]
            assert not late, f"{address} was seen in {len(late)} packets after it was gone, of {len(absent)}"


@pytest.fixture
def guard(lab):
    one = Guard(lab)
    yield one
    one.judge()


class Stream:
    """A client's datagrams and their answers, without end."""

    def __init__(self, lab, family, server):
        self.flow, self.server, self.ends, self.heard = Flow(lab, family), server, [], []
        self.ending = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._echo, self._hear)]
        self.flow.sock.settimeout(0.2)
        server.settimeout(0.2)
        for thread in self.threads:
            thread.start()

    def _send(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                self.flow.say(to=self.server.getsockname()[:2])
            time.sleep(0.005)

    def _echo(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                _, seen = self.server.recvfrom(100)
                self.ends.append(seen[:2])
                self.server.sendto(b"!", seen)

    def _hear(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                self.flow.hear()
                self.heard.append(time.monotonic())

    def gap_s(self, since):
        """The longest time without an answer since then."""
        times = [at for at in self.heard if at >= since]
        return max(after - before for before, after in zip([since, *times], times))

    def arrives_from(self, address, timeout_s=5):
        wait_for(lambda: self.ends and self.ends[-1][0] == address, timeout_s, f"datagrams from {address}")
        count = len(self.heard)
        wait_for(lambda: len(self.heard) > count + 10, 3, "answers")

    def end(self):
        self.ending = True
        for thread in self.threads:
            thread.join(3)
        self.flow.close()


@pytest.fixture
def stream(lab, family):
    """stream(): begins one"""
    with contextlib.ExitStack() as stack:

        def begin():
            one = Stream(lab, family, stack.enter_context(serve(lab, family)))
            stack.callback(one.end)
            wait_for(lambda: len(one.heard) > 10, 5, "the stream to be answered")
            return one

        yield begin


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.fixture
def other_net(lab, guard):
    """The provider knows another subnet too; wan1's own is back in the end."""
    ip(lab, "isp1", "address", "add", "198.18.101.1/24", "dev", "cust0")
    ip(lab, "isp1", "address", "add", "2001:db8:101::1/64", "dev", "cust0", "nodad")
    ip(lab, "inet", "route", "add", "198.18.101.0/24", "via", "198.19.1.1")
    ip(lab, "inet", "route", "add", "2001:db8:101::/64", "via", "2001:db8:f:1::1")
    guard.more[1] += ["198.18.101.0/24", "2001:db8:101::/64"]
    yield
    guard.back()
    ip(lab, "isp1", "address", "delete", "198.18.101.1/24", "dev", "cust0")
    ip(lab, "isp1", "address", "delete", "2001:db8:101::1/64", "dev", "cust0")
    ip(lab, "inet", "route", "delete", "198.18.101.0/24")
    ip(lab, "inet", "route", "delete", "2001:db8:101::/64")
    for address in (f"{OTHER4}/24", f"{OTHER6}/64"):
        ip(lab, "router", "address", "delete", address, "dev", "wan1", check=False)
    ip(lab, "router", "address", "replace", "198.18.1.2/30", "dev", "wan1")
    ip(lab, "router", "address", "replace", "2001:db8:1::2/64", "dev", "wan1", "nodad")
    lab.heal(1)


def change_address(lab, family):
    """The new one comes, the route, and the old one goes; returns when that was."""
    if family.is4:
        ip(lab, "router", "address", "add", f"{OTHER4}/24", "dev", "wan1")
        ip(lab, "router", "route", "replace", "default", "via", "198.18.101.1", "dev", "wan1", "metric", 100)
        ip(lab, "router", "address", "delete", "198.18.1.2/30", "dev", "wan1")
    else:
        ip(lab, "router", "address", "add", f"{OTHER6}/64", "dev", "wan1", "nodad")
        lab.wait_address6("router", OTHER6)
        ip(lab, "router", "address", "delete", "2001:db8:1::2/64", "dev", "wan1")
    return time.monotonic()


def shown_address(daemon, family):
    return daemon.wan("fiber")[f"v{family.version}"]["address"]


@pytest.mark.usefixtures("other_net")
def test_address_changes(lab, family, guard, stream):
    """Old bindings are dead; a datagram's flow binds again on the same WAN, a session's client is told at once."""
    daemon = start(lab)
    one = stream()
    listening = serve(lab, family, 9600, kind=socket.SOCK_STREAM)
    ours, theirs, seen = dial(lab, family, listening)
    assert seen[0] == family.wan(1)
    exchange(ours, theirs)
    gone = change_address(lab, family)
    guard.gone(family.wan(1), lambda: shown_address(daemon, family) == (OTHER4 if family.is4 else OTHER6))
    one.arrives_from(OTHER4 if family.is4 else OTHER6)
    figure(f"{family}: new address of a WAN", gap_ms=f"{1000 * one.gap_s(gone):.0f}")
    ours.settimeout(3)
    with pytest.raises(ConnectionResetError):
        ours.sendall(b"?")
        ours.recv(10)
    again, theirs, seen = dial(lab, family, listening)
    assert seen[0] == (OTHER4 if family.is4 else OTHER6)
    exchange(again, theirs)
    assert shown_address(daemon, family) == seen[0]
    listening.close()


def test_address_is_lost(lab, family, guard, stream):
    """No address, no WAN: all goes by the other; with the address it comes back."""
    daemon = start(lab)
    one = stream()
    address = "198.18.1.2/30" if family.is4 else "2001:db8:1::2/64"
    ip(lab, "router", "address", "delete", address, "dev", "wan1")
    gone = time.monotonic()
    try:
        guard.gone(family.wan(1), lambda: shown_address(daemon, family) != family.wan(1))
        one.arrives_from(family.wan(2))
        assert daemon.wan("fiber")[f"v{family.version}"]["state"] == "absent"
        assert one.gap_s(gone) < 0.5
    finally:
        guard.back()
        ip(lab, "router", "address", "add", address, "dev", "wan1", *([] if family.is4 else ["nodad"]))
        lab.heal(1)
    wait_for(lambda: daemon.wan("fiber")[f"v{family.version}"]["state"] == "up", 10, "fiber to be up again")


@pytest.mark.usefixtures("other_net")
def test_another_address_is_added(lab, family, stream):
    """The first stays what is used."""
    start(lab)
    one = stream()
    before = one.ends[-1]
    new = f"{OTHER4}/24" if family.is4 else f"{OTHER6}/64"
    ip(lab, "router", "address", "add", new, "dev", "wan1", *([] if family.is4 else ["nodad"]))
    time.sleep(0.5)
    assert one.ends[-1] == before


# --- device and gateway ------------------------------------------------------------------------------------------


def make_wan2(lab):
    """The link to the second provider, as scripts/lab makes it."""
    ip(lab, "router", "link", "add", "wan2", "type", "veth", "peer", "name", "cust0", "netns", f"{lab.name}-isp2")
    for part, device, host in (("isp2", "cust0", 1), ("router", "wan2", 2)):
        ip(lab, part, "address", "add", f"198.18.2.{host}/30", "dev", device)
        ip(lab, part, "address", "add", f"2001:db8:2::{host}/64", "dev", device, "nodad")
        ip(lab, part, "link", "set", device, "up")
    lab.heal(2)
    ip(lab, "router", "route", "add", "::/0", "from", "2001:db8:2:100::/56", *by_provider(2), "metric", 200)


def by_provider(number):
    return "via", "fe80::1", "dev", f"wan{number}", "proto", "dhcp"


def index_of(lab, device):
    return json.loads(lab.run("router", "ip", "-j", "link", "show", device).stdout)[0]["ifindex"]


def test_device_goes_and_comes_back(lab, family, guard, stream):
    """With another index, and other MACs on both ends."""
    daemon = start(lab, settings("{prefer: [lte, fiber]}"))
    one = stream()
    assert one.ends[-1][0] == family.wan(2)
    before = index_of(lab, "wan2")
    try:
        ip(lab, "router", "link", "delete", "wan2")
        gone = time.monotonic()
        one.arrives_from(family.wan(1))
        assert one.gap_s(gone) < 0.5
    finally:
        with contextlib.suppress(LabError):
            make_wan2(lab)
        guard.again(2)
    assert index_of(lab, "wan2") != before
    wait_for(lambda: daemon.wan("lte")[f"v{family.version}"]["state"] == "up", 15, "lte to be up again")

    def by_lte():
        with contextlib.closing(Flow(lab, family)) as flow, serve(lab, family, 9601) as server:
            return flow.meet(server)[0] == family.wan(2)

    wait_for(by_lte, 5, "new flows by the device that came")


@pytest.mark.usefixtures("guard")
def test_gateway_changes_its_mac(lab, family, stream):
    """Noticed within about a second, though nobody says so and the kernel's own entry is thought good."""
    start(lab)
    one = stream()
    old = json.loads(lab.run("isp1", "ip", "-j", "link", "show", "cust0").stdout)[0]["address"]
    try:
        ip(lab, "isp1", "link", "set", "cust0", "address", "02:00:00:00:77:01")
        changed = time.monotonic()
        count = len(one.heard)
        wait_for(lambda: len(one.heard) > count + 50, 5, "answers by way of the new MAC")
        gap = one.gap_s(changed)
        figure(f"{family}: gateway's new MAC", gap_ms=f"{1000 * gap:.0f}")
        assert gap < 1.6
    finally:
        ip(lab, "isp1", "link", "set", "cust0", "address", old)


def test_client_changes_its_mac(lab, family, stream):
    """Its flows go on: the next answer goes to where the last packet came from."""
    start(lab)
    one = stream()
    ip(lab, "client", "link", "set", "lan", "address", "02:00:00:00:77:02")
    changed = time.monotonic()
    count = len(one.heard)
    wait_for(lambda: len(one.heard) > count + 50, 5, "answers to the new MAC")
    assert one.gap_s(changed) < 0.5


# --- prefixes ----------------------------------------------------------------------------------------------------

NPT = ", nat6: npt"


def delegated(lab, prefix):
    """The route that says what wan1 delegates, as a DHCPv6 client sets it: the new one, and then the old one goes."""
    other = "2001:db8:1:200::/56" if "1:100:" in prefix else "2001:db8:1:100::/56"
    ip(lab, "router", "route", "replace", "::/0", "from", prefix, *by_provider(1), "metric", 100)
    ip(lab, "router", "route", "delete", "::/0", "from", other, "dev", "wan1", check=False)
    ip(lab, "isp1", "-6", "route", "replace", prefix, "via", "2001:db8:1::2")


def within(address, prefix):
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)


def test_delegated_prefix_changes(lab, guard):
    """A flow's source follows it, and of the old one nothing is seen any more."""
    start(lab, settings(wan=NPT))
    server = serve(lab, V6)
    one = Stream(lab, V6, server)
    try:
        wait_for(lambda: len(one.heard) > 10, 5, "the stream to be answered")
        old = one.ends[-1][0]
        assert within(old, "2001:db8:1:100::/56")
        delegated(lab, "2001:db8:1:200::/56")
        guard.gone(old, lambda: within(one.ends[-1][0], "2001:db8:1:200::/56"))
        count = len(one.heard)
        wait_for(lambda: len(one.heard) > count + 10, 3, "answers")
    finally:
        one.end()
        server.close()
        delegated(lab, "2001:db8:1:100::/56")


@pytest.mark.usefixtures("guard")
def test_untranslated_sources_never_leave(lab):
    """nat6: none, and a source that no WAN owns: the client is told so, on no WAN is it seen."""
    start(lab, settings(wan=", nat6: none"))
    client = open_socket(lab, "client", family=socket.AF_INET6)
    client.connect((V6.server, 9602))
    with pytest.raises(OSError):
        for _ in range(20):
            client.send(b"?")
            time.sleep(0.05)
    with serve(lab, V4) as server, contextlib.closing(Flow(lab, V4)) as flow:
        flow.meet(server)
