# SPDX-License-Identifier: GPL-2.0
"""
Classes by name: what resolvers answer clients is learnt before the client has it, by UDP and TCP, from a resolver in
the Internet and from one on the router; and not a byte of an answer is another for it.
"""

import contextlib
import itertools
import signal
import socket
import struct
import threading
import time

import programs
import pytest
from inside import Capture, open_socket
from lab import V4, V6, wait_for
from scapy.layers.inet import IP, TCP, UDP
from steering import config, figure, left_to_kernel, rounds, wait_up

ZONE = "example.test"
NET4, NET6 = "192.0.2", "2001:db8:204:"  # where the names' addresses are: every address there answers
KINDS = {"A": 1, "AAAA": 28}
own_ports = itertools.count(10000)
PLACES = "inet", "router"  # of the resolver


@pytest.fixture(autouse=True)
def far_addresses(module_lab):
    for version, net in ("-4", f"{NET4}.0/24"), ("-6", f"{NET6}:/64"):
        module_lab.run("inet", "ip", version, "route", "replace", "local", net, "dev", "lo")


def settings(default="{prefer: [fiber]}", named="{prefer: [lte], match: [{domain: ['*.example.test']}]}"):
    """Two classes, told apart by name."""
    return config(default).replace("classes:\n", f"classes:\n  named: {named}\n")


def start(lab):
    """A controller that knows nothing."""
    lab.daemon.stop()
    daemon = lab.start_daemon(settings())
    wait_up(daemon)
    return daemon


def running(lab):
    """One controller for many tests."""
    daemon = lab.daemon
    if not daemon.process or daemon.process.poll() is not None or daemon.config.read_text() != settings():
        return start(lab)
    wait_up(daemon)
    return daemon


def names_of(daemon):
    return daemon.status()["daemon"]["names"]


# --- the resolver and its clients --------------------------------------------------------------------------------


def address(number, kind="A"):
    return f"{NET4}.{number}" if kind == "A" else f"{NET6}:{number:x}"


def resolver_of(place, family=V4):
    return family.router if place == "router" else family.server


@contextlib.contextmanager
def resolver(lab, place, *options):
    """A dnsmasq that knows n1 to n250 of the zone."""
    hosts = lab.folder / "hosts"
    if not hosts.exists():
        hosts.write_text("".join(f"{address(n, k)} n{n}.{ZONE}\n" for n in range(1, 251) for k in KINDS))
    listen = [option for family in (V4, V6) for option in ("-a", resolver_of(place, family))]
    command = "dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "-u", "root"
    with programs.running(lab, place, *command, f"--addn-hosts={hosts}", *listen, *options, port=53):
        yield


def question(name, kind="A", ident=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, KINDS[kind], 1)


def ask_udp(lab, to, message, part="client", timeout_s=2):
    bound = ("::" if ":" in to else "0.0.0.0", 0)
    with contextlib.closing(open_socket(lab, part, bind=bound, timeout_s=timeout_s)) as sock:
        sock.sendto(message, (to, 53))
        return sock.recv(65535)


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        assert more, "the resolver closed the connection"
        data += more
    return data


def ask_tcp(lab, to, message, part="client"):
    bound = ("::" if ":" in to else "0.0.0.0", 0)
    with contextlib.closing(open_socket(lab, part, socket.SOCK_STREAM, bind=bound)) as sock:
        sock.connect((to, 53))
        sock.sendall(struct.pack("!H", len(message)) + message)
        return read_exactly(sock, struct.unpack("!H", read_exactly(sock, 2))[0])


ASK = {"udp": ask_udp, "tcp": ask_tcp}


# --- answers are as they were ------------------------------------------------------------------------------------


def sums_are_right(frame):
    """Whether IP's and UDP's or TCP's checksums are what they should be."""
    again = frame.ip.copy()
    for layer in (IP, UDP, TCP):
        if layer in again:
            del again[layer].chksum
    return bytes(again.__class__(bytes(again))) == bytes(frame.ip)


@pytest.mark.parametrize("family", (V4, V6), ids=str)
@pytest.mark.parametrize("how", ASK)
@pytest.mark.parametrize("place", PLACES)
def test_answers_are_untouched(kept_lab, place, how, family):
    """What comes is what the resolver says to one beside it, with checksums that are right."""
    lab = kept_lab
    daemon = running(lab)
    to, extra = resolver_of(place, family), f"--cname=long.{ZONE},n3.{ZONE}"
    with resolver(lab, place, extra), Capture(lab, "client", "lan") as seen:
        before = names_of(daemon)
        for name in (f"n1.{ZONE}", f"long.{ZONE}"):
            for kind in KINDS:
                message = question(name, kind, ident=0x1234)
                assert ASK[how](lab, to, message) == ASK[how](lab, to, message, part=place)
        frames = [f for f in seen.frames() if f.ip and (UDP in f.ip or TCP in f.ip) and f.ip.sport == 53]
    assert names_of(daemon)["answers"] == before["answers"] + 4
    assert names_of(daemon)["missed"] == before["missed"]
    assert frames and all(sums_are_right(frame) and not frame.partial for frame in frames)


# --- and learnt before they come ---------------------------------------------------------------------------------


@contextlib.contextmanager
def doors(lab, port=8080):
    """At every address: who connects is told as whom he is seen."""
    listening = open_socket(lab, "inet", socket.SOCK_STREAM, bind=("::", port), timeout_s=None)
    listening.listen(64)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                theirs, seen = listening.accept()
                theirs.sendall(seen[0].removeprefix("::ffff:").encode())
                theirs.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield port
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def addresses_in(answer):
    """Of the records that follow the question; dnsmasq compresses every owner."""
    at = 12 + answer[12:].index(0) + 5
    found = []
    while at < len(answer) and len(found) < struct.unpack_from("!H", answer, 6)[0]:
        at += 2 if answer[at] >= 0xC0 else 1 + answer[at:].index(0)
        kind, length = struct.unpack_from("!H", answer, at)[0], struct.unpack_from("!H", answer, at + 8)[0]
        data = answer[at + 10 : at + 10 + length]
        if kind in KINDS.values():
            found.append(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data))
        at += 10 + length
    return found


def way_to(lab, to, port, part="client"):
    """As whom a server sees a new session with it, from a port of its own: sessions of one port share its WAN."""
    bound = ("::" if ":" in to else "0.0.0.0", next(own_ports))
    with contextlib.closing(open_socket(lab, part, socket.SOCK_STREAM, bind=bound)) as sock:
        sock.connect((to, port))
        return sock.recv(100).decode()


def by(way, wan):
    """Whether what a server saw is of that WAN, in either family."""
    return any(family.is_of_wan(way, wan) for family in (V4, V6) if (":" in way) == (family is V6))


@pytest.mark.parametrize("place", PLACES)
def test_the_first_packet_knows(lab, place):
    """Each of many names is asked for once, and its address is connected to at once."""
    daemon, count = start(lab), rounds(200, 250)
    right = 0
    with resolver(lab, place), doors(lab) as port:
        assert by(way_to(lab, address(1), port), 1)  # nobody has asked for it yet
        for number in range(1, count + 1):
            how, kind = list(ASK)[number % 2], list(KINDS)[number // 2 % 2]
            answer = ASK[how](lab, resolver_of(place), question(f"n{number}.{ZONE}", kind))
            right += by(way_to(lab, addresses_in(answer)[0], port), 2)
        other = addresses_in(ask_udp(lab, resolver_of(place), question(f"n1.{ZONE}")))[0]
        assert by(way_to(lab, other, port, "client2"), 2)
    told = names_of(daemon)
    figure(f"names, resolver in {place}", asked=count, steered=right, missed=told["missed"])
    assert right + told["missed"] >= count and right >= count * 0.99
    assert told["names"] == count and told["addresses"] == count


def test_chains_and_other_names(kept_lab):
    """The question's name and each that a CNAME leads to count; names that nobody asks for do not."""
    lab = kept_lab
    daemon = running(lab)
    more = (
        "--cname=www.elsewhere.test,cdn.elsewhere.test",
        f"--cname=cdn.elsewhere.test,n11.{ZONE}",
        "--host-record=plain.elsewhere.test,192.0.2.251",
        f"--cname=alias.{ZONE},plain.elsewhere.test",
        "--host-record=notexample.test,192.0.2.252",
        f"--host-record={ZONE},192.0.2.253",
    )
    with resolver(lab, "inet", *more), doors(lab) as port:
        expected = {
            "notexample.test": 1,
            "plain.elsewhere.test": 1,
            "www.elsewhere.test": 2,
            f"alias.{ZONE}": 2,
            ZONE: 2,
            f"N12.{ZONE.upper()}": 2,
        }
        for name, wan in expected.items():
            to = addresses_in(ask_udp(lab, V4.server, question(name)))[0]
            assert by(way_to(lab, to, port), wan), name
    assert names_of(daemon)["missed"] == 0


def test_a_name_that_moves_is_followed(kept_lab):
    lab = kept_lab
    running(lab)
    moving = f"moving.{ZONE}"
    with doors(lab) as port:
        for to in ("192.0.2.241", "192.0.2.242"):
            assert by(way_to(lab, to, port, "client2"), 1)
            with resolver(lab, "inet", f"--host-record={moving},{to}"):
                assert addresses_in(ask_udp(lab, V4.server, question(moving))) == [to]
                assert by(way_to(lab, to, port), 2)


@pytest.mark.parametrize("how", ("+notcp", "+tcp", "+notcp +dnssec +bufsize=4096", "+tcp +keepopen"))
@pytest.mark.parametrize("place", PLACES)
def test_dig(kept_lab, place, how):
    lab = kept_lab
    daemon = running(lab)
    with resolver(lab, place):
        names = [word for n in range(20, 30) for word in (f"n{n}.{ZONE}", "A", f"n{n}.{ZONE}", "AAAA")]
        asked = "dig", f"@{resolver_of(place)}", "+short", "+tries=1", "+time=2", *how.split(), *names
        shown = lab.run("client", *asked).stdout.split()
    assert shown == [address(n, kind) for n in range(20, 30) for kind in KINDS]
    assert names_of(daemon)["missed"] == 0


# --- nothing is lost by it ---------------------------------------------------------------------------------------


def test_a_controller_that_hangs(lab):
    """Answers come without it, and are counted; it learns from them when it is there again."""
    daemon = start(lab)
    with resolver(lab, "inet"), doors(lab) as port:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(0.2)  # older than its heartbeat may be
            before = time.monotonic()
            for number in range(1, 21):
                ask_udp(lab, V4.server, question(f"n{number}.{ZONE}"))
            ask_tcp(lab, V4.server, question(f"n21.{ZONE}"))
            assert time.monotonic() - before < 2
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        wait_for(lambda: names_of(daemon)["names"] == 21, 5, "the names to be learnt late")
        assert names_of(daemon)["missed"] >= 21
        assert left_to_kernel(daemon)["dns-unlearnt"] >= 21
        assert by(way_to(lab, address(21), port), 2)


def asking(lab, place, until, answered, failed):
    """Ask, each time anew, without repeating a question."""
    number = 0
    while not until.is_set():
        number = number % 250 + 1
        how = "tcp" if number % 5 == 0 else "udp"
        try:
            ASK[how](lab, resolver_of(place), question(f"n{number}.{ZONE}"))
            answered.append(number)
        except OSError as error:
            failed.append((how, number, error))


def test_restarts_lose_nothing(lab):
    """No answer is lost when the controller ends in good order and begins again; and what was learnt stays."""
    daemon = start(lab)
    ended, answered, failed = threading.Event(), [], []
    with resolver(lab, "inet"), doors(lab) as port:
        asker = threading.Thread(target=asking, args=(lab, "inet", ended, answered, failed))
        asker.start()
        for _ in range(2):
            wait_for(lambda n=len(answered): len(answered) > n + 50, 10, "answers")
            daemon.end()
            wait_for(lambda n=len(answered): len(answered) > n + 50, 10, "answers without a controller")
            lab.start_daemon(None)
        ended.set()
        asker.join()
        assert not failed
        ask_udp(lab, V4.server, question(f"n250.{ZONE}"))
        known = names_of(daemon)
        assert known["names"] >= 50
        daemon.end()
        assert (daemon.state_dir / "names.jsonl").read_text().count("\n") == known["addresses"]
        lab.start_daemon(None)
        assert names_of(daemon)["names"] == known["names"]
        wait_up(daemon)
        assert by(way_to(lab, address(250), port), 2)


def test_a_reload_knows_what_was_learnt(lab):
    """Names are remembered whether or not a class asks for them, while any does."""
    daemon = start(lab)
    with resolver(lab, "inet", "--host-record=later.other.test,192.0.2.245"), doors(lab) as port:
        to = addresses_in(ask_udp(lab, V4.server, question("later.other.test")))[0]
        ask_udp(lab, V4.server, question(f"n1.{ZONE}"))
        assert by(way_to(lab, to, port), 1) and by(way_to(lab, address(1), port), 2)
        daemon.config.write_text(settings(named="{prefer: [lte], match: [{domain: [later.other.test]}]}"))
        daemon.cli("reload")
        assert by(way_to(lab, to, port), 2) and by(way_to(lab, address(1), port), 1)
        daemon.config.write_text(settings(named="{prefer: [lte], match: [{to: 198.51.100.0/24}]}"))
        daemon.cli("reload")
        assert not names_of(daemon)["learning"]
        before = names_of(daemon)["answers"]
        ask_udp(lab, V4.server, question(f"n2.{ZONE}"))
        assert names_of(daemon)["answers"] == before
