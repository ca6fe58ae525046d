# SPDX-License-Identifier: GPL-2.0
"""
links.py: what holds of a WAN whatever its device is: what the provider sees of users' traffic on it, octet by octet;
sizes; bulk; and failovers between it and an Ethernet WAN. The test modules that import these tests say what their lab
is made of: LAB = {"options", "wans", "part" (where its client is), "sizes": {number of a WAN that is tried: its MTU}, and
"more": further lines of the configuration}
"""

import contextlib
import hashlib
import os
import socket
import struct
import threading

import pytest
from scapy.layers.inet import TCP, UDP

from slow import FAMILIES, PATIENCE_S, slow_lab, wait_for, wait_up
from inside import Capture, open_socket  # isort: skip
from steering import drops  # isort: skip
from ways import EXCHANGES, Seen, hops  # isort: skip
from wire import FAMILIES as WIRES, Tap, dial, error, exchange, noise, serve, udp, whole  # isort: skip

ETHERNET = 2  # the WAN that is plain Ethernet in each lab


def config(lab, *numbers):
    """Users' flows by the first of these WANs that works."""
    wans = "\n".join(f"  wan{n}: {{device: wan{n}, nat6: masquerade}}" for n in range(1, lab.wans + 1))
    order = ", ".join(f"wan{n}" for n in numbers)
    return f"""
lan: [{", ".join(sorted({"lan0", lab.lan}))}]
failback: {{hold: 500ms}}
wans:
{wans}
probes:
  default: {{targets: ["icmp:203.0.113.1", "icmp:2001:db8:203::1"], interval: 500ms, timeout: 2s, up-after: 3}}
classes: {{default: {{prefer: [{order}]}}}}
{lab.more}"""


def prefer(lab, *numbers):
    """The controller with that order, and all WANs up."""
    text = config(lab, *numbers)
    if lab.daemon.config.read_text() != text:
        lab.daemon.config.write_text(text)
        lab.daemon.cli("reload")
    wait_up(lab.daemon)


def pytest_generate_tests(metafunc):
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", metafunc.module.LAB["sizes"], ids="wan{}".format)


@pytest.fixture(scope="module")
def lab(request):
    made = request.module.LAB
    with slow_lab("wh-links", made["wans"], made["options"]) as one:
        one.part, one.sizes, one.offload = made["part"], made["sizes"], not {"--no-offload", "--xdp"} & set(made["options"])
        one.more = made.get("more", "")
        one.lan = "lan2" if one.part == "client3" else "lan0"
        one.start_daemon(config(one, 1))
        wait_up(one.daemon)
        yield one


@pytest.fixture(autouse=True)
def healed(lab):
    """What a failed test broke is not the next one's."""
    lab.broken = False
    yield
    if lab.broken:
        lab.heal()


def inside(lab, ip):
    """The client's own address."""
    return ip.client3 if lab.part == "client3" else ip.client


def wire(ip):
    """The same family with its layers."""
    return next(family for family in WIRES if family.version == ip.version)


# --- checksums ---------------------------------------------------------------------------------------------------

LARGE = 1514  # the largest frame of one segment
CHECK_AT = {socket.IPPROTO_TCP: 16, socket.IPPROTO_UDP: 6}


def folded(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def segment(frame):
    """
    The protocol and the TCP segment or UDP datagram of a frame, its checksum verified: all of it, or the pseudo
    header's where a device is yet to complete it, which no kernel here would complain of. By hand: there are thousands.
    """
    packet = frame.data[14:] if frame.ethernet else frame.data
    is4 = packet[0] >> 4 == 4
    proto = packet[9 if is4 else 6]
    if proto not in CHECK_AT:
        return proto, b""
    start, ends = ((packet[0] & 15) * 4, packet[12:20]) if is4 else (40, packet[8:40])
    end = int.from_bytes(packet[2:4], "big") if is4 else 40 + int.from_bytes(packet[4:6], "big")
    data = packet[start:end]
    pseudo = folded(ends + struct.pack("!HH", proto, end - start))
    if frame.partial:
        assert int.from_bytes(data[CHECK_AT[proto] :][:2], "big") == pseudo, "a partial checksum is wrong"
    elif len(frame.data) <= LARGE:
        assert folded(data + b"\0" * (len(data) & 1) + struct.pack("!H", pseudo)) == 0xFFFF, "a checksum is wrong"
    return proto, data


def payload(frame):
    """How much a frame carries over TCP."""
    if not is_ip(frame):
        return 0
    proto, data = segment(frame)
    return len(data) - (data[12] >> 4) * 4 if proto == socket.IPPROTO_TCP else 0


def is_ip(frame):
    return not frame.ethernet or frame.data[12:14] in (b"\x08\x00", b"\x86\xdd")


def verified(frame):
    """Its packet, with all that has a checksum right."""
    segment(frame)
    return frame.ip if frame.partial else whole(frame.ip)


# --- the providers' ends -----------------------------------------------------------------------------------------


class Wires:
    """
    What the providers see of users' traffic on each WAN, as Seen(WAN, up, IP packet), checksums verified; not that of a
    VLAN on its parent. Only what has the address in it is taken to pieces: probes alone come faster than that is done
    here.
    """

    def __init__(self, lab, address):
        self.address = packed(address)
        self.wires = {number: Capture(lab, f"isp{number}", "cust0") for number in range(1, lab.wans + 1)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.wires.values():
            one.sock.close()

    def seen(self):
        """Since the last call."""
        frames = [(number, frame) for number, one in self.wires.items() for frame in one.frames()]
        frames = [(n, f) for n, f in frames if self.address in f.data and f.vlan is None and is_ip(f)]
        return [Seen(number, not frame.outgoing, verified(frame)) for number, frame in frames]


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def assert_out_and_in(seen, number, ip):
    """All by that WAN, from its address, one hop less."""
    assert {(one.wan, one.ip.src, hops(one.ip)) for one in seen if one.up} == {(number, ip.wan(number), 63)}
    assert {(one.wan, one.ip.dst) for one in seen if not one.up} == {(number, ip.wan(number))}


# --- bytes -------------------------------------------------------------------------------------------------------


def test_bytes(lab, number):
    """On the chosen WAN only, whole, from its address; and what comes back is the client's."""
    prefer(lab, number)
    for ip in FAMILIES:
        assert_bytes(lab, number, ip)
    assert drops(lab.daemon)["malformed"] == 0


def assert_bytes(lab, number, ip):
    with Wires(lab, ip.server) as wires, Capture(lab, lab.part, "lan") as client:
        for kind, exchange_ in EXCHANGES.items():
            assert exchange_(lab, ip, part=lab.part, times=3, timeout_s=10) == ip.wan(number), kind
        seen = wires.seen()
        assert_out_and_in(seen, number, ip)
        words = [bytes(one.ip[UDP].payload) for one in seen if one.up and UDP in one.ip]
        assert words == [b"there %d" % n for n in range(3)]
        back = [frame for frame in client.frames() if not frame.outgoing and packed(ip.server) in frame.data]
        assert {verified(frame).dst for frame in back} == {inside(lab, ip)}


def test_own_traffic(lab, number):
    prefer(lab, number)
    for ip in FAMILIES:
        with Wires(lab, ip.server) as wires:
            for kind in ("udp", "tcp"):
                assert EXCHANGES[kind](lab, ip, part="router", times=3, timeout_s=10) == ip.wan(number), kind
            seen = wires.seen()
        assert {(one.wan, one.ip.src) for one in seen if one.up} == {(number, ip.wan(number))}
        assert {(one.wan, one.ip.dst) for one in seen if not one.up} == {(number, ip.wan(number))}


# --- sizes -------------------------------------------------------------------------------------------------------


def is_syn(frame):
    return not frame.outgoing and frame.ip is not None and TCP in frame.ip and frame.ip[TCP].flags.S


def test_size(lab, number):
    """MSS clamped both ways; the largest that fits goes through; of what is larger the client is told the MTU."""
    prefer(lab, number)
    for ip in FAMILIES:
        assert_size(lab, number, ip)


def assert_size(lab, number, ip):
    family, size, load = wire(ip), lab.sizes[number], lab.sizes[number] - wire(ip).overhead - 8
    fields = {"flags": "DF"} if ip.version == 4 else {}
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Tap(lab, lab.part, "lan", "router", lab.lan))
        far = stack.enter_context(Capture(lab, f"isp{number}", "cust0"))
        listening = stack.enter_context(serve(lab, family, 9801, kind=socket.SOCK_STREAM))
        ours, theirs, _ = dial(lab, family, listening, lab.part, timeout_s=10)
        for tap in (far, client):
            syn = tap.wait(lambda f: (9801).to_bytes(2, "big") in f.data and is_syn(f), 10)
            assert dict(syn.ip[TCP].options)["MSS"] == size - family.overhead - 20
        ours.close(), theirs.close()
        known = 6000 + number
        client.put(udp(family, inside(lab, ip), known, family.phantom, 9001, noise(load), **fields))
        came = far.wait(lambda f: not f.outgoing and packed(family.phantom) in f.data, 10).ip
        assert (len(bytes(came)), bytes(whole(came)[UDP].payload)) == (size, noise(load))
        if size == 1500:
            return
        for port in (known, 6100 + number):  # a known flow, and a first packet
            client.put(udp(family, inside(lab, ip), port, family.phantom, 9001, noise(load + 1), **fields))
            told = whole(client.expect(error(family, "too-big"), 10))
            _, mtu, quoted = family.error_of(told)
            assert (mtu, quoted.src, quoted.dst) == (size, inside(lab, ip), family.phantom)
            assert quoted.payload.sport == port


# --- bulk --------------------------------------------------------------------------------------------------------

BULK = 1 << 20


def wrong_sums(lab, part):
    """What that part's kernel has thrown away for a wrong TCP checksum."""
    return int(lab.run(part, "nstat", "-asz", "TcpInCsumErrors").stdout.split()[-2])


def transfer(sender, receiver, length):
    text, heard, got = os.urandom(1 << 16), hashlib.sha256(), 0
    sender.settimeout(PATIENCE_S)
    receiver.settimeout(PATIENCE_S)
    thread = threading.Thread(target=lambda: [sender.sendall(text) for _ in range(length >> 16)], daemon=True)
    thread.start()
    while got < length:
        chunk = receiver.recv(1 << 16)
        assert chunk, f"it ended after {got}"
        got += len(chunk)
        heard.update(chunk)
    thread.join(PATIENCE_S)
    assert heard.digest() == hashlib.sha256(text * (length >> 16)).digest()


def test_bulk(lab, number):
    """In packets of many segments where the links can, and each with the right checksum."""
    prefer(lab, number)
    for ip in FAMILIES:
        assert_bulk(lab, number, ip, "up")
        assert_bulk(lab, number, ip, "down")


def assert_bulk(lab, number, ip, direction):
    receiver, sender = ("inet", lab.part) if direction == "up" else (lab.part, "inet")
    before = wrong_sums(lab, receiver)
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(Capture(lab, f"isp{number}", "cust0"))
        sent = stack.enter_context(Capture(lab, sender, "lan" if sender == lab.part else f"isp{number}"))
        listening = stack.enter_context(serve(lab, wire(ip), 9802, kind=socket.SOCK_STREAM))
        ours, theirs, seen = dial(lab, wire(ip), listening, lab.part, timeout_s=PATIENCE_S)
        assert seen[0] == ip.wan(number)
        transfer(*((ours, theirs) if direction == "up" else (theirs, ours)), BULK)
        ours.close(), theirs.close()
        assert sum(payload(frame) for frame in far.frames()) >= BULK
        assert (max(len(frame.data) for frame in sent.frames()) > LARGE) == lab.offload
    assert wrong_sums(lab, receiver) == before


# --- failover ----------------------------------------------------------------------------------------------------


class Live:
    """
    A client's socket and session that live through a failover, and their servers, at an address of their own: what
    becomes of their remains is not to be taken for another test's.
    """

    def __init__(self, lab, ip, stack):
        self.lab, self.ip, self.at = lab, ip, ip.server_at(8)
        self.server = stack.enter_context(serve(lab, wire(ip), 9000, self.at))
        self.listening = stack.enter_context(serve(lab, wire(ip), 9001, self.at, socket.SOCK_STREAM))
        self.client = stack.enter_context(open_socket(lab, lab.part, family=ip.af, timeout_s=1))
        self.server.settimeout(1)
        self.listening.settimeout(PATIENCE_S)
        self.dial()

    def dial(self):
        """The WAN's address that the session comes from."""
        ends = dial(self.lab, wire(self.ip), self.listening, self.lab.part, timeout_s=PATIENCE_S)
        self.ours, self.theirs, seen = ends
        return seen[0]

    def echoed_from(self):
        """The address that a datagram came from which was echoed, or None."""
        with contextlib.suppress(TimeoutError):
            self.client.sendto(b"there", (self.at, 9000))
            _, seen = self.server.recvfrom(100)
            self.server.sendto(b"back", seen)
            assert self.client.recv(100) == b"back"
            return seen[0]
        return None

    def is_reset(self):
        try:
            self.ours.sendall(b"?")
            self.ours.settimeout(0.5)
            self.ours.recv(100)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return False


def test_failover_to_ethernet(lab, number):
    assert_failover(lab, number, ETHERNET)


def test_failover_from_ethernet(lab, number):
    assert_failover(lab, ETHERNET, number)


def assert_failover(lab, old, new):
    """With a live socket and a live session in both families; and back."""
    prefer(lab, old, new)
    with contextlib.ExitStack() as stack:
        for ip in FAMILIES:
            wait_for(lambda i=ip: way_of_new(lab, i) == i.wan(old), PATIENCE_S, f"new flows by wan{old}")
        lives = [Live(lab, ip, stack) for ip in FAMILIES]
        for live in lives:
            assert live.echoed_from() == live.ip.wan(old)
            exchange(live.ours, live.theirs)
        lab.broken = True
        lab.break_wan(old, "blackhole")
        for live in lives:
            wait_for(lambda one=live: one.echoed_from() == one.ip.wan(new), PATIENCE_S, f"{live.ip} by wan{new}")
            wait_for(live.is_reset, PATIENCE_S, f"the session in {live.ip} to be told")
            assert live.dial() == live.ip.wan(new)
            exchange(live.ours, live.theirs)
            with Wires(lab, live.at) as wires:
                assert live.echoed_from() == live.ip.wan(new)
                exchange(live.ours, live.theirs)
                assert_out_and_in(wires.seen(), new, live.ip)
        lab.heal(old)
        lab.broken = False
        wait_up(lab.daemon)
        for live in lives:
            wait_for(lambda one=live: way_of_new(lab, one.ip) == one.ip.wan(old), PATIENCE_S, f"new flows by wan{old}")
            assert live.echoed_from() == live.ip.wan(new), "what works there stays"
            exchange(live.ours, live.theirs)


def way_of_new(lab, ip):
    return EXCHANGES["udp"](lab, ip, part=lab.part, port=9100, timeout_s=10)
