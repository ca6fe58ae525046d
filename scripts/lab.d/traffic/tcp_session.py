# SPDX-License-Identifier: GPL-2.0
"""
One long TCP session that says a line ten times a second and hears it back. What happens to it, a line each:
{"event": "connected", "took_ms", "wan"}, "echo", "reset" with "error" (ECONNRESET, or closed) or "stalled" when
nothing is heard for --stall seconds, "recovered" if it then goes on after all. After a reset, or --give-up
seconds without an echo ("gave-up"), it connects again, and "took_ms" counts from then.
"""

import socket
import socketserver
import time

from common import NS, End, Output, add_client, add_server, describe, family_of, open_socket, plain, serve


def add_commands(commands):
    add_server(commands, "tcp-server", 7, serve_lines, "echo lines, with the source that was seen")
    parser = add_client(commands, "tcp-client", 7, 10, session, "one long session")
    parser.add_argument("--stall", type=float, default=1, metavar="S")
    parser.add_argument("--give-up", type=float, default=10, metavar="S")
    parser.add_argument("--silent", action="store_true", help="say one line, then only listen")


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            for line in self.rfile:
                self.wfile.write(plain(self.client_address[0]).encode() + b" " + line)
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve_lines(args):
    Server.address_family = family_of(args.bind)
    serve(Server((args.bind, args.port), Handler), Output(), args.duration)


class Broken(Exception):
    """The session is over: an event, and why."""


class Session:
    def __init__(self, args, output, end):
        self.args, self.output, self.end = args, output, end
        self.sock = None
        self.heard_ns = 0
        self.stalled = False
        self.part = b""

    def connect(self, since_ns):
        """Until it succeeds, or the end is reached."""
        while not self.end.reached():
            try:
                self.sock = open_socket(self.args, socket.SOCK_STREAM)
                self.sock.settimeout(self.args.timeout)
                self.sock.connect((self.args.to, self.args.port))
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wan = self.first_word()
                took_ms = (time.monotonic_ns() - since_ns) / 1e6
                self.output.event("connected", took_ms=round(took_ms, 3), wan=wan)
                return
            except OSError as error:
                self.output.event("refused", error=describe(error))
                self.close()
                self.end.sleep_until(time.monotonic_ns() + NS // 50)

    def first_word(self):
        self.sock.sendall(b"hello\n")
        heard = self.sock.recv(1024)
        if not heard:
            raise ConnectionResetError("closed")
        return heard.split(b" ")[0].decode()

    def say(self):
        try:
            self.sock.sendall(b"%d\n" % time.monotonic_ns())
        except OSError as error:
            raise Broken("reset", describe(error)) from error

    def hear(self, until_ns):
        self.sock.settimeout(max(until_ns - time.monotonic_ns(), 1000) / NS)
        try:
            data = self.sock.recv(4096)
        except TimeoutError:
            return
        except OSError as error:
            raise Broken("reset", describe(error)) from error
        if not data:
            raise Broken("reset", "closed")
        *lines, self.part = (self.part + data).split(b"\n")
        for line in lines:
            self.echo(line.decode().split(" "))

    def echo(self, words):
        self.heard_ns = time.monotonic_ns()
        if self.stalled:
            self.output.event("recovered")
            self.stalled = False
        self.output.line(event="echo", at_ns=self.heard_ns, said_ns=int(words[1]), wan=words[0])

    def judge_silence(self):
        silent_s = (time.monotonic_ns() - self.heard_ns) / NS
        if silent_s > self.args.give_up:
            raise Broken("gave-up", "nothing heard")
        if silent_s > self.args.stall and not self.stalled:
            self.output.event("stalled")
            self.stalled = True

    def talk(self):
        """Until it breaks or the end is reached."""
        self.heard_ns = next_ns = time.monotonic_ns()
        while not self.end.reached():
            if not self.args.silent:
                self.say()
                self.judge_silence()
            next_ns += int(NS / self.args.rate)
            while time.monotonic_ns() < next_ns:
                self.hear(next_ns)

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None


def session(args):
    output, end = Output(), End(args.duration)
    since_ns = time.monotonic_ns()
    while not end.reached():
        one = Session(args, output, end)
        try:
            one.connect(since_ns)
            if one.sock:
                one.talk()
        except Broken as broken:
            name, why = broken.args
            output.event(name, error=why)
        finally:
            since_ns = time.monotonic_ns()
            one.close()
    output.flush()
