# SPDX-License-Identifier: GPL-2.0
"""
Packets of known flows carried in the drivers, by XDP: what the router's kernel never sees. What taps on its devices see
has passed XDP by, so of a flow that XDP carries they see nothing.
"""

import contextlib
import json
import subprocess
import time

import pytest
from scapy.layers.inet import TCP, UDP

import wire
from inside import Capture, mac
from lab import wait_for
from steering import flows, gap_ms, table, udp_stream, way_of
from wire import Flow, client_tap, dial, error, exchange, of, serve, udp, wan_tap, whole

LAB = {"options": ["--xdp"]}
OTHER = """
__attribute__((section("xdp"))) int other(void *ctx) { return 2; }
char _license[] __attribute__((section("license"))) = "GPL";
"""


def settings(accel="xdp", **words):
    return wire.settings(more=f"accel: {accel}", **words)


@pytest.fixture
def daemon(lab):
    """The controller, XDP carrying all that it can."""
    wire.start(lab, settings())
    wait_carried(lab.daemon)
    return lab.daemon


def carried(daemon):
    """Device → (in, out, why not)."""
    status = daemon.status()
    told = {part["device"]: part["accel"] for part in status["wans"] + status["lans"]}
    return {device: (accel["in"], accel["out"], accel["why"]) for device, accel in told.items()}


def wait_carried(daemon, **wanted):
    """wait_carried(daemon, wan1=("tc", "tc")): that, and all else by XDP; returns why not."""
    everything = {device: ("xdp", "xdp") for device in ("lan0", "wan1", "wan2")} | wanted
    wait_for(
        lambda: {device: how[:2] for device, how in carried(daemon).items()} == everything, 10, f"{everything}"
    )
    return {device: carried(daemon)[device][2] for device in wanted}


def events(daemon):
    return [event["evidence"] for event in daemon.events("accel")]


def programs(lab):
    """Device → number of the XDP program on it."""
    links = json.loads(lab.run("router", "ip", "-d", "-j", "link", "show").stdout)
    return {link["ifname"]: link["xdp"]["prog"]["id"] for link in links if "xdp" in link}


class Seen:
    """What the router's own kernel saw of a server's traffic."""

    def __init__(self, lab, family, devices=("lan0", "wan1", "wan2")):
        self.family = family
        self.taps = [Capture(lab, "router", device) for device in devices]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for tap in self.taps:
            tap.sock.close()

    def packets(self):
        frames = [frame.ip for tap in self.taps for frame in tap.frames()]
        return [ip for ip in frames if ip is not None and self.family.server in (ip.src, ip.dst)]


def echo(flow, server, times=20):
    """A flow's datagrams to a server's socket and back."""
    for number in range(times):
        text = f"datagram {number}".encode()
        flow.say(text)
        assert server.recvfrom(100)[0] == text
        server.sendto(text.upper(), flow.seen)
        assert flow.hear()[0] == text.upper()


@contextlib.contextmanager
def known_flow(lab, family, carried_by_xdp=True, **words):
    """A UDP flow and its server, the first packets past."""
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family, **words)) as flow:
        flow.seen = flow.meet(server, tries=10)
        if carried_by_xdp:
            wait_for(lambda: is_unseen(lab, family, flow, server), 10, "the flow to be carried by XDP")
        yield flow, server


def is_unseen(lab, family, flow, server):
    with Seen(lab, family) as seen:
        echo(flow, server, 3)
        return not seen.packets()


# --- what is carried ----------------------------------------------------------------------------------------------


def check_way(family, sent, arrived, client, lab, proto):
    """Of a packet at the client and at the provider."""
    assert (arrived.src, arrived.dst) == (mac(lab, "router", "wan1"), mac(lab, "isp1", "cust0"))
    ip, before = arrived.payload, sent.payload
    assert (ip.src, ip.dst) == (family.wan(1), family.server)
    hops, hops_before = (ip.ttl, before.ttl) if family.is4 else (ip.hlim, before.hlim)
    assert hops == hops_before - 1
    assert (ip[proto].sport, ip[proto].dport) == (client[1], before[proto].dport)
    assert bytes(ip[proto].payload) == bytes(before[proto].payload)
    whole(ip)


def captured(tap, family, proto, outgoing):
    """Frames between client and server that carry something."""
    frames = [frame.packet for frame in tap.frames() if frame.outgoing == outgoing]
    mine = [f for f in frames if proto in f and family.layer in f and family.server in (f.payload.src, f.payload.dst)]
    return [f for f in mine if proto is UDP or f[TCP].flags.P]


def test_udp(lab, daemon, family):
    with known_flow(lab, family) as (flow, server):
        with Seen(lab, family) as seen, client_tap(lab) as inner, wan_tap(lab) as outer:
            echo(flow, server)
            assert not seen.packets()
            sent, arrived = captured(inner, family, UDP, True), captured(outer, family, UDP, False)
    assert len(sent) == len(arrived) == 20
    for before, behind in zip(sent, arrived):
        check_way(family, before, behind, flow.seen, lab, UDP)


def test_answers(lab, daemon, family):
    with known_flow(lab, family) as (flow, server):
        with client_tap(lab) as inner, wan_tap(lab) as outer:
            echo(flow, server)
            sent, arrived = captured(outer, family, UDP, True), captured(inner, family, UDP, False)
            port = flow.port
    assert len(sent) == len(arrived) == 20
    for before, behind in zip(sent, arrived):
        assert (behind.src, behind.dst) == (mac(lab, "router", "lan0"), mac(lab, "client", "lan"))
        ip = behind.payload
        assert (ip.src, ip.dst, ip[UDP].dport) == (family.server, family.client, port)
        hops, hops_before = (ip.ttl, before.payload.ttl) if family.is4 else (ip.hlim, before.payload.hlim)
        assert hops == hops_before - 1
        whole(ip)


def test_tcp(lab, daemon, family):
    with serve(lab, family, kind=wire.socket.SOCK_STREAM) as listening:
        ours, theirs, seen_as = dial(lab, family, listening)
        with ours, theirs:
            exchange(ours, theirs)

            def is_quiet():
                with Seen(lab, family) as seen:
                    exchange(ours, theirs)
                    time.sleep(0.05)  # acknowledgements
                    return not seen.packets()

            wait_for(is_quiet, 10, "the session to be carried by XDP")
            with Seen(lab, family) as seen, client_tap(lab) as inner, wan_tap(lab) as outer:
                for number in range(20):
                    exchange(ours, theirs, f"segment {number}".encode())
                assert not seen.packets()
                sent, arrived = captured(inner, family, TCP, True), captured(outer, family, TCP, False)
    assert len(sent) == len(arrived) == 20
    for before, behind in zip(sent, arrived):
        check_way(family, before, behind, seen_as, lab, TCP)


def test_counted(lab, daemon):
    """By flow and WAN, as if tc had carried it."""
    with known_flow(lab, wire.V4) as (flow, server):
        before = flows(daemon, dport=9000)[0]
        echo(flow, server, 50)
        after = flows(daemon, dport=9000)[0]
    assert after["tx_packets"] == before["tx_packets"] + 50 and after["rx_packets"] == before["rx_packets"] + 50


# --- what is not ------------------------------------------------------------------------------------------------------


def test_expired(lab, daemon, family):
    """A packet on its last hop is answered by the router, in the middle of a flow that XDP carries."""
    with known_flow(lab, family) as (flow, server), client_tap(lab) as inner:
        inner.put(udp(family, family.client, flow.port, family.server, 9000, ttl=1))
        inner.expect(error(family, "time", src=family.router))
        echo(flow, server, 3)


def test_too_big(lab, daemon, family):
    lab.run("router", "ip", "link", "set", "wan1", "mtu", 1400)
    try:
        with known_flow(lab, family) as (flow, server), client_tap(lab) as inner:
            wait_for(lambda: daemon.json("wan", "show", "fiber")["mtu"] == 1400, 5, "the MTU to be known")
            flags = {"flags": "DF"} if family.is4 else {}
            inner.put(udp(family, family.client, flow.port, family.server, 9000, b"x" * 1400, **flags))
            told = family.error_of(inner.expect(error(family, "too-big")))
            assert told[1] == 1400
            echo(flow, server, 3)
    finally:
        lab.run("router", "ip", "link", "set", "wan1", "mtu", 1500)


def test_fragments(lab, daemon, family):
    with known_flow(lab, family) as (flow, server):
        flow.say(b"y" * 4000)
        assert server.recvfrom(5000)[0] == b"y" * 4000
        server.sendto(b"z" * 4000, flow.seen)
        assert flow.hear()[0] == b"z" * 4000
        echo(flow, server, 3)


def test_echo(lab, daemon, family):
    done = lab.run("client", "ping", "-c", 5, "-i", 0.1, "-W", 2, family.server)
    assert " 5 received" in done.stdout


# --- failover ---------------------------------------------------------------------------------------------------------


def is_carried(lab, family):
    """Whether a stream that runs is XDP's: its packets are under way all the time."""
    with Seen(lab, family) as seen:
        time.sleep(0.3)
        return not seen.packets()


def test_failover_and_back(lab, daemon, family):
    lab.servers("udp", ip=family)
    stream = udp_stream(lab, "--rate", 100, ip=family)
    wait_for(lambda: is_carried(lab, family), 10, "the stream to be carried by XDP")
    assert way_of(stream) == family.wan(1)
    broken_ns = lab.break_wan(1, "blackhole")
    wait_for(lambda: way_of(stream) == family.wan(2), 10, "the stream to be on the other WAN")
    wait_for(lambda: is_carried(lab, family), 10, "the stream to be carried by XDP there")
    lab.heal(1)
    daemon.wait_states(fiber="up")
    records = stream.stop()
    assert gap_ms(records, broken_ns, family.wan(1), family.wan(2)) < 1500
    again = udp_stream(lab, "--rate", 100, ip=family)
    wait_for(lambda: is_carried(lab, family), 10, "new streams to be carried by XDP")
    assert way_of(again) == family.wan(1)


# --- neighbours -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def another_mac(lab, part, device):
    """As if another box had taken the address."""
    own, another = mac(lab, part, device), "02:00:00:00:77:77"
    lab.run(part, "ip", "link", "set", device, "address", another)
    try:
        yield another
    finally:
        lab.run(part, "ip", "link", "set", device, "address", own)


def test_gateway_changes_its_mac(lab, daemon):
    """Traffic goes on within two seconds or so."""
    lab.servers("udp")
    stream = udp_stream(lab, "--rate", 100)
    wait_for(lambda: is_carried(lab, wire.V4), 10, "the stream to be carried by XDP")
    with another_mac(lab, "isp1", "cust0") as another, Capture(lab, "isp1", "cust0") as tap:

        def goes_on():
            frames = [f.packet for f in tap.frames() if not f.outgoing]
            return [f for f in frames if UDP in f and f.dst == another and f.payload.dst == wire.V4.server]

        wait_for(goes_on, 4, "the stream to be sent to the new address")
        wait_for(lambda: is_carried(lab, wire.V4), 10, "the stream to be carried by XDP again")
        assert way_of(stream) == wire.V4.wan(1)


def test_silent_gateway_is_tcs(lab, daemon):
    """One that does not say any more who it is may be another; tc goes on sending, and so does XDP when it answers."""
    lab.servers("udp")
    stream = udp_stream(lab, "--rate", 100)
    wait_for(lambda: is_carried(lab, wire.V4), 10, "the stream to be carried by XDP")
    lab.nft("isp1", "table arp mute { chain input { type filter hook input priority 0; arp operation request drop; }; }")
    try:
        assert wait_carried(daemon, wan1=("xdp", "tc"))["wan1"] == "its gateway is silent"
        with Capture(lab, "router", "wan1") as tap:
            wait_for(lambda: [f for f in tap.frames() if f.outgoing and f.ip and f.ip.dst == wire.V4.server], 3, "tc")
        before = len(stream.records())
        wait_for(lambda: len(stream.records()) > before + 20, 5, "the stream to go on")
        assert way_of(stream) == wire.V4.wan(1)
    finally:
        lab.run("isp1", "nft", "delete", "table", "arp", "mute")
    wait_carried(daemon)
    assert not events(daemon)


def test_client_changes_its_mac(lab, daemon, family):
    """A client that is only listening: once the kernel knows better, its answers follow."""
    with known_flow(lab, family) as (flow, server):
        with another_mac(lab, "client", "lan") as another:
            # where the client's own neighbours are asked for, its answers would be packets of its flow's: none are
            lab.run("router", "ip", "neigh", "replace", family.client, "lladdr", another, "dev", "lan0", "nud",
                    "reachable")
            with client_tap(lab) as inner:

                def arrives():
                    server.sendto(b"still there?", flow.seen)
                    time.sleep(0.05)
                    frames = [f.packet for f in inner.frames() if not f.outgoing]
                    return [f for f in frames if UDP in f and f[UDP].dport == flow.port and f.dst == another]

                wait_for(arrives, 5, "answers to go to the new address")
            with Seen(lab, family, ["lan0"]) as seen:
                server.sendto(b"still there?", flow.seen)
                wait_for(seen.packets, 2, "tc to send the answer")
            flow.sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                while True:
                    flow.hear()
            flow.sock.settimeout(2)
            echo(flow, server, 3)
            wait_for(lambda: is_unseen(lab, family, flow, server), 5, "XDP to carry it again")


def test_same_news_change_nothing(lab, daemon):
    """A neighbour that is confirmed, or grows stale, is the one that it was."""
    with known_flow(lab, wire.V4):
        address = mac(lab, "client", "lan")
        for state in ("reachable", "stale", "delay", "reachable") * 3:
            lab.run("router", "ip", "neigh", "replace", wire.V4.client, "lladdr", address, "dev", "lan0", "nud", state)
        before = number_of_lan(daemon)
        time.sleep(0.3)
        for state in ("stale", "reachable") * 3:
            lab.run("router", "ip", "neigh", "replace", wire.V4.client, "lladdr", address, "dev", "lan0", "nud", state)
        time.sleep(0.3)
        assert number_of_lan(daemon) == before


def number_of_lan(daemon):
    return table(daemon, "wh_wires")[0][1]["row"][8]["neighbours"]


# --- others ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_program(tmp_path_factory):
    """An XDP program of somebody else's, which lets everything by."""
    folder = tmp_path_factory.mktemp("other")
    source, made = folder / "other.c", folder / "other.o"
    source.write_text(OTHER)
    subprocess.run(["clang", "-O2", "-target", "bpf", "-c", source, "-o", made], check=True)
    return made


def test_anothers_program_stays(lab, other_program):
    lab.run("router", "ip", "link", "set", "dev", "wan1", "xdpdrv", "obj", other_program, "sec", "xdp")
    theirs = programs(lab)["wan1"]
    try:
        wire.start(lab, settings())
        why = wait_carried(lab.daemon, wan1=("tc", "tc"))["wan1"]
        assert why == f"another XDP program (id {theirs} other)"
        told = events(lab.daemon)
        assert told == [f"wan1: carried by tc, not by XDP: {why}"]
        with known_flow(lab, wire.V4, carried_by_xdp=False) as (flow, server):
            echo(flow, server)
        assert programs(lab)["wan1"] == theirs
    finally:
        lab.run("router", "ip", "link", "set", "dev", "wan1", "xdpdrv", "off")
    wait_carried(lab.daemon)
    assert events(lab.daemon) == [*told, "wan1: carried by XDP"]
    with known_flow(lab, wire.V4):
        pass


def test_qdisc_keeps_its_say(lab, daemon):
    shaper = "tbf", "rate", "1mbit", "burst", 2000, "limit", 8000
    lab.run("router", "tc", "qdisc", "add", "dev", "wan1", "root", *shaper)
    try:
        assert wait_carried(daemon, wan1=("xdp", "tc"))["wan1"] == "qdisc tbf"
        assert "wan1: sent to by tc, not by XDP: qdisc tbf" in events(daemon)
        with known_flow(lab, wire.V4, carried_by_xdp=False) as (flow, server):
            server.setblocking(False)
            begun, sent, octets = time.monotonic(), 0, 0
            while time.monotonic() < begun + 2:
                flow.say(b"x" * 1000)
                sent += 1000
                time.sleep(0.001)
                with contextlib.suppress(BlockingIOError):
                    octets += len(server.recv(2000))
            assert sent > 800_000 and 100_000 < octets < 400_000
    finally:
        lab.run("router", "tc", "qdisc", "del", "dev", "wan1", "root")
    wait_carried(daemon)


# --- life -------------------------------------------------------------------------------------------------------------


def link_of(lab, daemon, device):
    shown = lab.run("router", "bpftool", "-j", "link", "show", "pinned", daemon.bpf_dir / "links" / f"xdp-{device}")
    return json.loads(shown.stdout)["id"]


def test_restart_adopts(lab, daemon):
    """The same links, a new program in them, and no packet lost on the way."""
    lab.servers("udp")
    stream = udp_stream(lab, "--rate", 200)
    before = {device: link_of(lab, daemon, device) for device in ("lan0", "wan1", "wan2")}
    ours = programs(lab)
    daemon.end()
    assert programs(lab) == ours
    wire.start(lab, settings())
    wait_carried(daemon)
    assert {device: link_of(lab, daemon, device) for device in before} == before
    assert programs(lab) != ours
    records = stream.stop()
    assert not [r for r in records if r.get("seq") and not r.get("arrived_ns")]


def test_stop_leaves_nothing(lab, daemon):
    assert set(programs(lab)) == {"lan0", "wan1", "wan2"}
    daemon.cli("stop")
    assert not programs(lab)


def test_reload(lab, daemon):
    daemon.config.write_text(settings(fiber=", accel: tc"))
    daemon.cli("reload")
    assert wait_carried(daemon, wan1=("tc", "tc"))["wan1"] is None
    assert set(programs(lab)) == {"lan0", "wan2"}
    daemon.config.write_text(settings("auto"))
    daemon.cli("reload")
    why = wait_carried(daemon, **{device: ("tc", "tc") for device in ("lan0", "wan1", "wan2")})
    assert set(why.values()) == {"driver veth"}
    assert not programs(lab)
    daemon.config.write_text(settings())
    daemon.cli("reload")
    wait_carried(daemon)
    assert set(programs(lab)) == {"lan0", "wan1", "wan2"}


def test_taken_off_by_hand(lab, daemon):
    lab.run("router", "bpftool", "link", "detach", "id", link_of(lab, daemon, "wan1"))
    told = daemon.wait_event("attach")
    assert "wan1" in told["evidence"] and "XDP" in told["evidence"]
    wait_carried(daemon)
    assert "wan1" in programs(lab)


def test_metrics(lab, daemon):
    text = daemon.cli("metrics").stdout
    for device in ("lan0", "wan1", "wan2"):
        for way in ("in", "out"):
            assert f'wanhelm_xdp{{device="{device}",direction="{way}"}} 1' in text


def test_status_for_people(lab, daemon):
    lines = daemon.cli("status").stdout.splitlines()
    assert ["lan0", "xdp", "xdp"] in [line.split()[:3] for line in lines]
