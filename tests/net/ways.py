# SPDX-License-Identifier: GPL-2.0
"""
ways.py: one exchange of each kind between two hosts of a lab, what of it was seen on which WAN, and counters in the
router's ruleset. For the tests of the kernel's firewall, of sessions from outside, and of what is never steered.
"""

import collections
import contextlib
import json
import os
import socket
import time

from scapy.layers.inet import TCP, UDP

from inside import Capture, connect, is_silent, listen, open_socket
from lab import FAMILIES, wait_for
from steering import start
from wire import whole

SERVICE = 9000
NAMES = {1: "fiber", 2: "lte"}

Seen = collections.namedtuple("Seen", "wan up ip")


class Ways:
    """What of users' traffic the providers see on each WAN. with Ways(lab) as ways: …; ways.up(dport=53)"""

    def __init__(self, lab):
        self.wires = {number: Capture(lab, f"isp{number}", "cust0") for number in range(1, lab.wans + 1)}
        self.log = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in self.wires.values():
            wire.sock.close()

    def all(self):
        for number, wire in self.wires.items():
            for frame in wire.frames():
                if frame.ip is not None:
                    self.log.append(Seen(number, not frame.outgoing, frame.ip if frame.partial else whole(frame.ip)))
        return self.log

    def up(self, **wanted):
        """From the router: ways.up(dport=53, dst=…), ways.up(layer=ICMP). Checksums are right, or it fails."""
        return [seen for seen in self.all() if seen.up and matches(seen.ip, **wanted)]

    def down(self, **wanted):
        return [seen for seen in self.all() if not seen.up and matches(seen.ip, **wanted)]

    def forget(self):
        """What was seen so far."""
        for wire in self.wires.values():
            wire.frames()
        self.log = []

    def of(self, **wanted):
        """{(WAN, source)} of what left the router."""
        return {(seen.wan, seen.ip.src) for seen in self.up(**wanted)}


def matches(packet, layer=None, **fields):
    if layer and layer not in packet:
        return False
    for name, value in fields.items():
        holder = packet if name in ("src", "dst") else packet.getlayer(TCP) or packet.getlayer(UDP)
        if holder is None or getattr(holder, name) != value:
            return False
    return True


def hops(packet):
    return packet.ttl if packet.version == 4 else packet.hlim


# --- exchanges: each returns the source that the server saw, or raises TimeoutError or ConnectionError -----------


def udp(lab, ip, to=None, port=SERVICE, part="client", server="inet", times=1, timeout_s=1, bind=None):
    """Datagrams there and back, from a fresh port."""
    to = to or ip.server
    with (
        contextlib.closing(open_socket(lab, server, bind=(to, port), timeout_s=timeout_s)) as theirs,
        contextlib.closing(open_socket(lab, part, bind=(bind or ip.any, 0), timeout_s=timeout_s)) as ours,
    ):
        ours.connect((to, port))
        for number in range(times):
            ours.send(b"there %d" % number)
            _, seen = theirs.recvfrom(100)
            theirs.sendto(b"back %d" % number, seen)
            assert ours.recv(100) == b"back %d" % number
    return seen[0]


def tcp(lab, ip, to=None, port=SERVICE, part="client", server="inet", times=1, timeout_s=1, bind=None):
    """A session with words both ways, and its end."""
    to = to or ip.server
    with contextlib.closing(listen(lab, server, (to, port))) as listening:
        listening.settimeout(timeout_s)
        ours, theirs, seen = connect(lab, part, listening, (to, port), (bind or ip.any, 0), timeout_s)
        with ours, theirs:
            for number in range(times):
                say_both_ways(ours, theirs, b"%d" % number)
            ours.shutdown(socket.SHUT_WR)
            assert theirs.recv(100) == b""
    return seen[0]


def say_both_ways(ours, theirs, word=b"word"):
    """Over a session's two ends."""
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sender.sendall(word)
        heard = b""
        while len(heard) < len(word):
            part = receiver.recv(len(word) - len(heard))
            if not part:
                raise ConnectionError("closed")
            heard += part
        assert heard == word


def echo(lab, ip, to=None, part="client", server="inet", times=1, timeout_s=1, **_):
    """
    Pings, which the other host's kernel answers. They are known by what they carry: until it is bound the server's
    socket hears all that comes to its host, probes too, and the identifier is translated on the way.
    """
    to, word = to or ip.server, os.urandom(16)
    proto = socket.IPPROTO_ICMP if ip.version == 4 else socket.IPPROTO_ICMPV6
    sock = open_socket(lab, server, socket.SOCK_RAW, proto, bind=(to, 0), timeout_s=timeout_s)
    with contextlib.closing(sock):
        ping = "ping", "-c", times, "-i", 0.01, "-W", timeout_s, "-p", word.hex(), to
        if lab.run(part, *ping, check=False).returncode:
            raise TimeoutError("no echo")
        while True:
            data, seen = sock.recvfrom(2000)
            if word in data:
                return seen[0]


EXCHANGES = {"udp": udp, "tcp": tcp, "echo": echo}


def fails(exchange, *args, **kwargs):
    """Whether nothing comes of it."""
    try:
        exchange(*args, timeout_s=0.3, **kwargs)
    except (TimeoutError, ConnectionError, OSError):
        return True
    return False


# --- rulesets ----------------------------------------------------------------------------------------------------


def counters(lab, table="inet counting", part="router"):
    """Name → packets of a table's named counters."""
    told = json.loads(lab.run(part, "nft", "-j", "list", "counters", "table", *table.split()).stdout)["nftables"]
    return {row["counter"]["name"]: row["counter"]["packets"] for row in told if "counter" in row}


def tables(lab, part="router"):
    return [line.removeprefix("table ") for line in lab.run(part, "nft", "list", "tables").stdout.splitlines()]


OUR_TABLE = "inet wanhelm"


def remove_rules(lab, part="router"):
    """All of the user's, none of ours."""
    for table in tables(lab, part):
        if table != OUR_TABLE:
            lab.run(part, "nft", "delete", "table", *table.split())


def generation(daemon):
    """How many rulesets the data plane has been told of."""
    row = int.to_bytes(64, 4, "little")
    shown = daemon.lab.run(
        "router", "bpftool", "-j", "map", "lookup", "pinned", daemon.bpf_dir / "wh_steer", "key", *row
    ).stdout
    value = [int(byte, 16) for byte in json.loads(shown)["value"]]
    return int.from_bytes(value[44:48], "little")


@contextlib.contextmanager
def shown_again(daemon):
    """What happens inside changes the ruleset; when it ends, the data plane knows."""
    before = generation(daemon)
    yield
    wait_for(lambda: generation(daemon) != before, RECHECK_S, "the change of the ruleset to be told", 0.1)


def settle(lab, wanted, for_s=0.3):
    """What such a condition says after a time that would be long enough for something to come."""
    end = time.monotonic() + for_s
    while time.monotonic() < end and not wanted():
        time.sleep(0.02)
    return wanted()


# --- rules that several tests have ----------------------------------------------------------------------------------

BARRED_PORT, BARRED_HOST = 9099, 3  # the server's number
SHORT_S = 10  # how long conntrack keeps what the fast path has taken over
RECHECK_S = 20  # within which old flows show themselves again: conntrack has to forget them first

STATEFUL = """
table inet stateful {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state invalid drop
		ct state established,related accept
		iifname lan0 ct state new accept
	}
}
"""


def begin(lab, wan, firewall="kernel", more=""):
    return start(lab, f"{{prefer: [{NAMES[wan]}]}}", firewall=firewall, more=more)


def count_forwarded(lab, priority=10):
    """Users' packets in the kernel's forward chain, by direction."""
    lab.nft("router", f"""
        table inet counting {{
            counter up {{}}
            counter down {{}}
            chain forward {{
                type filter hook forward priority {priority};
                iifname lan0 counter name up
                iifname "wan*" counter name down
            }}
        }}""")


def bars(verdict="drop"):
    """One destination, one port, one client."""
    rules = [f"meta l4proto {{ tcp, udp }} th dport {BARRED_PORT} {verdict}"]
    for ip in FAMILIES:
        rules += [f"{ip.nft} daddr {ip.server_at(BARRED_HOST)} {verdict}", f"{ip.nft} saddr {ip.client2} {verdict}"]
    return "table inet bars { chain f { type filter hook forward priority 0; " + "; ".join(rules) + "; }; }"


def tracked(lab, ip, port):
    """conntrack's entries to a port, as lines."""
    told = lab.run("router", "conntrack", "-L", "-f", f"ipv{ip.version}").stdout
    return [line for line in told.splitlines() if f"dport={port} " in line]


# --- a day in an office ------------------------------------------------------------------------------------------


def assert_everyday(lab, ways, number):
    """All kinds of flows by that WAN, answered; and nobody gets in from outside."""
    ways.forget()
    for ip in FAMILIES:
        for kind, exchange in EXCHANGES.items():
            assert exchange(lab, ip, times=10) == ip.wan(number), (str(ip), kind)
        assert ways.of(dst=ip.server) == {(number, ip.wan(number))}
        assert_closed(lab, ip, number)


def assert_closed(lab, ip, number):
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Capture(lab, part, "lan")) for part in ("client", "client2")]
        outside = stack.enter_context(open_socket(lab, "inet", bind=(ip.server_at(9), 0)))
        for port in (SERVICE, 20000, 53):
            outside.sendto(b"let me in", (ip.wan(number), port))
        assert is_silent(outside)
        heard = [frame.ip.summary() for wire in wires for frame in wire.frames() if b"let me in" in frame.data]
        assert heard == []
