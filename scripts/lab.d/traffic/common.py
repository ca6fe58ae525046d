# SPDX-License-Identifier: GPL-2.0
"""What all traffic programs share: addresses, clock, lines of JSON, an end in time, the regular loop of attempts."""

import concurrent.futures
import errno
import ipaddress
import json
import signal
import socket
import sys
import threading
import time

NS = 1_000_000_000
FLUSH_NS = NS // 20


def add_server(commands, name, port, run, text):
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--bind", default="203.0.113.10", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--duration", type=float, default=300, metavar="S")
    parser.set_defaults(run=run)
    return parser


def add_client(commands, name, port, rate, run, text):
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--to", default="203.0.113.10", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--from", dest="source", metavar="ADDRESS")
    parser.add_argument("--rate", type=float, default=rate, metavar="PER_S", help=f"default {rate}")
    parser.add_argument("--timeout", type=float, default=1, metavar="S")
    parser.add_argument("--duration", type=float, default=10, metavar="S")
    parser.set_defaults(run=run)
    return parser


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def pack(address):
    """16 bytes; IPv4 as ::ffff:a.b.c.d."""
    packed = ipaddress.ip_address(address).packed
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed


def unpack(packed):
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def plain(address):
    """As a person writes it: what an IPv4 client is to an IPv6 socket that takes both."""
    return unpack(pack(address))


def open_socket(args, kind=socket.SOCK_DGRAM):
    """A client's, with its source if it is to have one."""
    sock = socket.socket(family_of(args.to), kind)
    if args.source:
        sock.bind((args.source, 0))
    return sock


class Output:
    """Lines of JSON, flushed twenty times a second; for several threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._flushed_ns = 0

    def line(self, **fields):
        text = json.dumps(fields, separators=(",", ":")) + "\n"
        now_ns = time.monotonic_ns()
        with self._lock:
            sys.stdout.write(text)
            if now_ns - self._flushed_ns > FLUSH_NS:
                self.flush(now_ns)

    def flush(self, now_ns=0):
        sys.stdout.flush()
        self._flushed_ns = now_ns

    def event(self, name, **fields):
        """What others wait for is seen at once."""
        self.line(event=name, at_ns=time.monotonic_ns(), **fields)
        with self._lock:
            self.flush()


class End:
    """When a program ends: after its duration, or at SIGTERM and SIGINT."""

    def __init__(self, duration_s):
        self._event = threading.Event()
        self.at_ns = time.monotonic_ns() + int(duration_s * NS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def reached(self):
        return self._event.is_set() or time.monotonic_ns() >= self.at_ns

    def sleep_until(self, at_ns):
        """True at the time, False when the end comes first."""
        while not self.reached():
            left_ns = at_ns - time.monotonic_ns()
            if left_ns <= 0:
                return True
            self._event.wait(min(left_ns / NS, 0.1))
        return False


def serve(server, output, duration_s):
    """Run a socketserver until the end."""
    end = End(duration_s)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    output.event("ready")
    end.sleep_until(end.at_ns)
    server.shutdown()


def describe(error):
    """A failed system call in a word, as ECONNRESET or timeout."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return errno.errorcode.get(getattr(error, "errno", None), type(error).__name__)


def attempts(args, attempt):
    """
    Call attempt(timeout_s) → the WAN it went by, `rate` times a second, each in a thread of its own, so that
    slow ones do not hold up others. A line for each: {"at_ns", "done_ns", "ok", "wan" or "error"}.
    """
    output, end = Output(), End(args.duration)

    def one(at_ns):
        try:
            told = {"ok": True, "wan": attempt(args.timeout)}
        except (OSError, ValueError) as error:
            told = {"ok": False, "error": describe(error)}
        output.line(at_ns=at_ns, done_ns=time.monotonic_ns(), **told)

    with concurrent.futures.ThreadPoolExecutor(max_workers=64) as pool:
        output.event("ready")
        next_ns = time.monotonic_ns()
        while end.sleep_until(next_ns):
            pool.submit(one, time.monotonic_ns())
            next_ns += int(NS / args.rate)
    output.flush()
