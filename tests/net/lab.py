# SPDX-License-Identifier: GPL-2.0
"""
lab.py: scripts/lab from Python, with the controller in its router and traffic in its clients. Used by the
network tests (conftest.py gives each module one) and by scripts/demo. What the traffic's lines add up to is
scripts/lab.d/traffic/account.py's, which is imported here as `account`.
"""

import contextlib
import ipaddress
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WANHELM_BUILD", ROOT / "build"))
TRAFFIC = ROOT / "scripts/lab.d/traffic"
BPFFS = pathlib.Path("/sys/fs/bpf")
PYTHON = "/usr/bin/python3"
ACCEL = os.environ.get("WANHELM_TEST_ACCEL")  # the whole of these tests can run with it

sys.path.append(str(TRAFFIC))
import account  # noqa: E402  pylint: disable=wrong-import-position,unused-import

SERVER = "203.0.113.10"
CLIENT = "10.77.0.2"
OVERLAPPING = "10.77.0.102"  # the router on the WAN that --overlap names
CONTROL_S = 60  # for a command of scripts/lab

# What of the kernel's tables changes by itself.
UNSTEADY = re.compile(r"\s*\b(expires|used|age|timeout) \S+|\b(packets|bytes) \d+|# handle \d+|\b(linkdown|dead)\b")


def wan_address(number):
    """What servers see of traffic that left by wan<number>."""
    return f"198.18.{number}.2"


def accelerated(config):
    """The configuration with `accel` as all are to have it, where it says nothing of its own."""
    return f"{config}\naccel: {ACCEL}\n" if config and ACCEL and "accel:" not in config else config


class Family:
    """The lab's addresses of one family, for tests of both: @pytest.mark.parametrize("ip", FAMILIES, ids=str)"""

    def __init__(self, version):
        self.version = version
        self.af = socket.AF_INET if version == 4 else socket.AF_INET6
        self.length = 32 if version == 4 else 128
        self.icmp = "icmp" if version == 4 else "icmpv6"
        self.nft = "ip" if version == 4 else "ip6"
        self.any = "0.0.0.0" if version == 4 else "::"
        self.default = "default" if version == 4 else "::/0"
        self.router, self.client, self.client2 = (self.inside(number) for number in (1, 2, 3))
        self.router2, self.client3 = self.inside(1, 2), self.inside(2, 2)  # the second LAN
        self.server = self.server_at(10)

    def __str__(self):
        return f"IPv{self.version}"

    def inside(self, number, lan=0):
        third = 8 if lan else 7
        return f"10.7{third}.0.{number}" if self.version == 4 else f"fd00:7{third}::{number}"

    def server_at(self, number):
        return f"203.0.113.{number}" if self.version == 4 else f"2001:db8:203::{number}"

    def wan(self, number):
        """The router's own address on a WAN: what servers see of what is translated to it."""
        return wan_address(number) if self.version == 4 else f"2001:db8:{number}::2"

    def provider(self, number):
        """The provider's router, an address of the WAN's subnet."""
        return f"198.18.{number}.1" if self.version == 4 else f"2001:db8:{number}::1"

    def gateway(self, number):
        """The same as default routes name it."""
        return self.provider(number) if self.version == 4 else "fe80::1"

    def is_of_wan(self, address, number):
        """Whether it belongs to a WAN: the router's own there, or out of what is delegated by it."""
        net = f"198.18.{number}.0/30" if self.version == 4 else f"2001:db8:{number}::/48"
        return ipaddress.ip_address(address) in ipaddress.ip_network(net)

    def is_inside(self, address):
        """Whether no provider routes it: it must not be seen behind the router."""
        net = "10.0.0.0/8" if self.version == 4 else "fc00::/7"
        return ipaddress.ip_address(address) in ipaddress.ip_network(net)

    def host(self, address):
        """One address as a prefix."""
        return f"{address}/{self.length}"


V4, V6 = Family(4), Family(6)
FAMILIES = (V4, V6)


class LabError(Exception):
    """The lab, the controller or the command did not do as expected; the message says which and what they said."""


def wait_for(condition, timeout_s=10, what=None, interval_s=0.02):
    """Call until it returns something true, and return that; LabError after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s} s in vain for {what or condition.__name__}")
        time.sleep(interval_s)


class Traffic:
    """A running traffic program, its lines going to a file."""

    def __init__(self, name, command, log):
        self.name, self.log = name, log
        with open(log, "wb") as out, open(f"{log}.errors", "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)

    def records(self):
        """Its lines so far; one that is still being written is left out."""
        lines = self.log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def ready(self):
        if self.process.poll() not in (None, 0):
            raise LabError(f"{self.name} ended with {self.process.returncode}: {self.errors()}")
        return bool(self.records())

    def errors(self):
        return pathlib.Path(f"{self.log}.errors").read_text().strip()

    def finish(self, timeout_s=30):
        """Wait for its own end, and return its lines."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise LabError(f"{self.name} did not end within {timeout_s} s") from None
        if code:
            raise LabError(f"{self.name} ended with {code}: {self.errors()}")
        return self.records()

    def stop(self):
        """End it now, and return its lines; outstanding answers are still waited for."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Daemon:
    """wanhelmd in a router, with places of its own for socket, pins and state."""

    def __init__(self, lab, name, folder):
        self.lab, self.folder = lab, folder
        self.run_dir, self.state_dir = folder / "run", folder / "state"
        self.bpf_dir = BPFFS / name
        self.config, self.log = folder / "wanhelm.yaml", folder / "wanhelmd.log"
        self.process = None

    def start(self, config, *options):
        """Returns once it answers. A config of None keeps the one that is there."""
        mount_bpffs()
        self.run_dir.mkdir(exist_ok=True)
        self.state_dir.mkdir(exist_ok=True)
        if config is not None:
            self.config.write_text(accelerated(config))
        command = [BUILD / "wanhelmd", "-c", self.config, "--run-dir", self.run_dir, "--bpf-dir", self.bpf_dir]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.lab.command("router", *command, "--foreground", *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"STATE_DIRECTORY": str(self.state_dir)},
            )
        wait_for(self.answers, 60, "wanhelmd to answer")

    def answers(self):
        if self.process.poll() is not None:
            raise LabError(f"wanhelmd ended with {self.process.returncode}:\n{self.said()}")
        return self.cli("status", check=False).returncode == 0 and self.running()

    def said(self):
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def running(self):
        return self.status()["daemon"]["running"]

    def cli(self, *args, check=True):
        """Run the command; with `check`, LabError unless it succeeds."""
        command = [BUILD / "wanhelm", "--run-dir", self.run_dir, "--bpf-dir", self.bpf_dir, *args]
        done = self.lab.run("router", *command, check=False)
        if check and done.returncode:
            raise LabError(f"wanhelm {' '.join(map(str, args))} ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def json(self, *args):
        """The verb's JSON: an object, or a list where it prints one a line."""
        lines = [json.loads(line) for line in self.cli(*args, "--json").stdout.splitlines() if line]
        return lines if args[0] == "events" else lines[0]

    def status(self):
        return self.json("status")

    def wan(self, name):
        return next(wan for wan in self.status()["wans"] if wan["name"] == name)

    def states(self):
        return {wan["name"]: wan["state"] for wan in self.status()["wans"]}

    def events(self, kind=None):
        return [event for event in self.json("events") if kind in (None, event["event"])]

    def wait_states(self, timeout_s=15, **wanted):
        """daemon.wait_states(fiber="up", lte="down")"""
        wait_for(lambda: wanted.items() <= self.states().items(), timeout_s, f"states {wanted}")

    def wait_event(self, kind, timeout_s=15, skip=0):
        """The record after the first `skip` of its kind."""
        return wait_for(lambda: self.events(kind)[skip:], timeout_s, f"event {kind}")[0]

    def end(self, number=signal.SIGTERM):
        """End the controller; the data plane goes on."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        """Take everything out. What `wanhelm stop` may have left goes with the pins and the namespaces."""
        if self.process:
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                self.cli("stop", check=False)
                self.process.wait(2)
        self.end()
        self.process = None
        shutil.rmtree(self.bpf_dir, ignore_errors=True)
        shutil.rmtree(self.state_dir, ignore_errors=True)


class Lab:
    """
    with Lab("wh-mine", wans=3) as lab:
        lab.start_daemon(text); lab.servers(); stream = lab.client("udp", "--duration", 3); lab.break_wan(...)
    """

    def __init__(self, name, wans=2, options=()):
        self.name, self.wans, self.options = name, wans, options
        self.folder = None
        self.daemon = None
        self.traffic = []

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}."))
        self.daemon = Daemon(self, self.name, self.folder)
        shutil.rmtree(self.daemon.bpf_dir, ignore_errors=True)  # of a run that was killed
        try:
            self.control("up", "--wans", self.wans, *self.options, *(["--xdp"] if ACCEL == "xdp" else []))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.quiet()
            self.daemon.stop()
        finally:
            self.control("down")
            shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, *args):
        """A command of scripts/lab."""
        command = [str(ROOT / "scripts/lab"), "--name", self.name, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CONTROL_S)
        if done.returncode:
            raise LabError(f"scripts/lab {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def command(self, part, *args):
        """What runs a command in a part of the lab."""
        return ["nsenter", f"--net=/run/netns/{self.name}-{part}", *map(str, args)]

    def run(self, part, *args, check=True, timeout_s=30):
        done = subprocess.run(
            self.command(part, *args), capture_output=True, text=True, check=False, timeout=timeout_s
        )
        if check and done.returncode:
            raise LabError(f"{' '.join(map(str, args))} in {part} ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def break_wan(self, number, kind, *args):
        """lab.break_wan(1, "loss", 30, "--dir", "up"); returns the moment after which it was broken."""
        before_ns = time.monotonic_ns()
        self.control("break", f"wan{number}", kind, *args)
        return before_ns

    def heal(self, number=None):
        self.control("heal", *([f"wan{number}"] if number else []))
        return time.monotonic_ns()

    def start_daemon(self, config, *options):
        self.daemon.start(config, *options)
        return self.daemon

    def cli(self, *args):
        return self.daemon.json(*args)

    def spawn(self, part, kind, *args):
        """A traffic program, as "udp-client"; returns once it has begun."""
        name = f"{kind} {len(self.traffic)}"
        log = self.folder / f"{len(self.traffic)}-{kind}.jsonl"
        one = Traffic(name, self.command(part, PYTHON, "-B", TRAFFIC, kind, *args), log)
        self.traffic.append(one)
        wait_for(one.ready, 10, f"{name} to begin")
        return one

    def servers(self, *kinds, ip=V4):
        """Start servers in the Internet (udp, http, tcp, dns; all of them by default)."""
        for kind in kinds or ("udp", "http", "tcp", "dns"):
            self.spawn("inet", f"{kind}-server", "--bind", ip.server)

    def client(self, kind, *args, part="client", ip=V4):
        """A client of such a server, or of another that --to names."""
        to = () if "--to" in args else ("--to", ip.server)
        return self.spawn(part, f"{kind}-client", *to, *args)

    def ip(self, part, *args, check=True):
        return self.run(part, "ip", *args, check=check).stdout

    def wait_address6(self, part, address):
        """Until an IPv6 address is there: the kernel makes it, and tells of it, after `ip` has returned."""
        local = "-6", "route", "show", "table", "local", address
        wait_for(lambda: self.ip(part, *local), 5, f"{address} to be there")

    def nft(self, part, ruleset):
        """Put a ruleset in: one transaction, as `nft -f` would."""
        command = self.command(part, "nft", "-f", "-")
        done = subprocess.run(command, input=ruleset, capture_output=True, text=True, check=False, timeout=10)
        if done.returncode:
            raise LabError(f"nft in {part}: {done.stderr.strip()}")

    def quiet(self):
        """End all traffic."""
        for one in self.traffic:
            one.kill()
        self.traffic = []

    def snapshot(self, part="router"):
        """What the kernel there would decide by, without what changes by itself: to be the same before and after."""
        commands = (
            "ip rule",
            "ip route show table all",
            "ip -6 rule",
            "ip -6 route show table all",
            "nft list ruleset",
        )
        shown = {command: self.run(part, *command.split(), check=False).stdout for command in commands}
        steady = {command: UNSTEADY.sub("", text) for command, text in shown.items()}
        # the order of routes that are equal but for the device says nothing
        return {name: "\n".join(sorted(text.split("\n"))) if "route" in name else text for name, text in steady.items()}


def mount_bpffs():
    with open("/proc/mounts", encoding="ascii") as mounts:
        if any(line.split()[1:3] == [str(BPFFS), "bpf"] for line in mounts):
            return
    subprocess.run(["mount", "-t", "bpf", "bpf", str(BPFFS)], check=True)
