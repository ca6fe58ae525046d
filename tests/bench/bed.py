# SPDX-License-Identifier: GPL-2.0
"""
bed.py: the benchmark's test bed: clients, router and Internet in network namespaces, joined by veth, each on the
processor that it is to have; the program `traffic` that sends and counts; and the controller (tests/net/lab.py's).

    clients: lan --- lan0 : router : wan1..wanN --- isp1..ispN : Internet
             core 0          core 1                  core 0

What a packet costs on core 1 is all that the router does for it: its devices are polled by threads there, while what
makes and swallows packets has core 0. Sinks are polled by a timer, so that the router wakes nobody.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tests/net"))
import lab as net  # noqa: E402  pylint: disable=wrong-import-position

FAMILY_NAME = "whbench"
NAME = f"{FAMILY_NAME}{os.getpid()}"
LOCK = "/run/wanhelm-bench.lock"  # two beds at a time would measure each other
PARTS = ("clients", "router", "internet")
CLIENTS = 200
TRAFFIC_CPU, ROUTER_CPU = 0, 1
SINK_POLL_NS = 30_000  # by each WAN that is used
PROBED = {4: "203.0.200.1", 6: "2001:db8:204::1"}
CONNTRACK_MAX, CONNTRACK_BUCKETS = 4_194_304, 2_097_152

ROUTER_SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/ip_local_port_range": "61000 65000",
    # As with a network card that has verified the checksum already, so that conntrack need not.
    "net/netfilter/nf_conntrack_checksum": 0,
    "net/netfilter/nf_conntrack_udp_timeout": 3600,
    "net/netfilter/nf_conntrack_udp_timeout_stream": 3600,
}
# The kernel's own limits that are the machine's; put back afterwards.
MACHINE_LIMITS = {
    "/proc/sys/net/netfilter/nf_conntrack_max": CONNTRACK_MAX,
    "/sys/module/nf_conntrack/parameters/hashsize": CONNTRACK_BUCKETS,
}

BenchError = net.LabError


def command(*args, text=None):
    done = subprocess.run([str(arg) for arg in args], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, args))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def gateways(wan):
    return f"198.18.{wan}.1", f"2001:db8:{wan}::1"


class Traffic:
    """The program `traffic`: an order, an answer."""

    def __init__(self, bed):
        program = net.BUILD / "tests/bench/traffic"
        netns = [f"/run/netns/{NAME}-{part}" for part in PARTS]
        self.process = subprocess.Popen(
            [program, *netns, str(bed.wans)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"traffic ended with {self.process.wait()}")
        return json.loads(line)

    def order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()


class Bed:
    """
    with Bed(wans=2) as bed: bed.traffic.order(...); bed.run("router", ...)
    offloads: a bed for ordinary sockets, with all offloads, without `traffic`, and with no processor set apart
    """

    name = NAME

    def __init__(self, wans, offloads=False):
        self.wans = wans
        self.offloads = offloads
        self.traffic = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{NAME}."))
        self.daemon = net.Daemon(self, NAME, self.folder)
        self.limits = {}
        self.sink_poll_ns = SINK_POLL_NS  # 0: a sink is woken by each packet
        self.polled_ns = 0
        self.lock = None

    # What tests/net/lab.py's Daemon asks of a lab.
    def command(self, part, *args):
        return ["nsenter", f"--net=/run/netns/{NAME}-{part}", *map(str, args)]

    def run(self, part, *args, check=True, timeout_s=120):
        done = subprocess.run(self.command(part, *args), capture_output=True, text=True, check=False, timeout=timeout_s)
        if check and done.returncode:
            raise BenchError(f"{' '.join(map(str, args))} in {part}: {done.stderr.strip()}")
        return done

    def __enter__(self):
        self.lock = open(LOCK, "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        remove_parts()
        shutil.rmtree(self.daemon.bpf_dir, ignore_errors=True)
        try:
            self.build()
            if not self.offloads:
                self.traffic = Traffic(self)
                self.place()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.traffic:
                self.traffic.close()
            self.daemon.stop()
        finally:
            remove_parts()
            for path, value in self.limits.items():
                pathlib.Path(path).write_text(value, encoding="ascii")
            shutil.rmtree(self.folder, ignore_errors=True)
            self.lock.close()

    def build(self):
        for part in PARTS:
            command("ip", "netns", "add", f"{NAME}-{part}")
            command("ip", "-n", f"{NAME}-{part}", "link", "set", "lo", "up")
        self.join("clients", "lan", "router", "lan0")
        for wan in range(1, self.wans + 1):
            self.join("router", f"wan{wan}", "internet", f"isp{wan}")
        self.batch("clients", ["addr add 10.77.0.2/16 dev lan", "addr add fd00:77::2/64 dev lan nodad"])
        self.batch("clients", ["route add default via 10.77.0.1", "route add default via fd00:77::1"])
        self.batch("router", ["addr add 10.77.0.1/16 dev lan0", "addr add fd00:77::1/64 dev lan0 nodad"])
        self.batch("internet", [f"addr add {PROBED[4]}/32 dev lo", f"addr add {PROBED[6]}/128 dev lo nodad"])
        for wan in range(1, self.wans + 1):
            self.address_wan(wan)
        self.know_clients()
        self.raise_limits()
        for path, value in ROUTER_SYSCTLS.items():
            self.write("router", f"/proc/sys/{path}", value)
        for part, devices in self.devices().items():
            for device in devices:
                net.wait_for(lambda: self.is_up(part, device), 10, f"{device} to be up")

    def join(self, part_a, a, part_b, b):
        command(*f"ip link add {a} netns {NAME}-{part_a} type veth peer name {b} netns {NAME}-{part_b}".split())
        for part, device in ((part_a, a), (part_b, b)):
            self.batch(part, [f"link set {device} up"])
        for part, device in ((part_a, a), (part_b, b)):  # a device that is up learns that it may be redirected to
            self.run(part, "ethtool", "-K", device, "tx", "on" if self.offloads else "off", "gro", "on")

    def batch(self, part, lines):
        for family in ("-4", "-6"):
            of_it = [line for line in lines if (":" in line.split(" lladdr ")[0]) == (family == "-6")]
            if of_it:
                command("ip", "-n", f"{NAME}-{part}", family, "-batch", "-", text="\n".join(of_it) + "\n")

    def address_wan(self, wan):
        self.batch(
            "internet",
            [f"addr add 198.18.{wan}.1/30 dev isp{wan}", f"addr add 2001:db8:{wan}::1/64 dev isp{wan} nodad"],
        )
        self.batch(
            "router",
            [
                f"addr add 198.18.{wan}.2/30 dev wan{wan}",
                f"addr add 2001:db8:{wan}::2/64 dev wan{wan} nodad",
                f"route add default via 198.18.{wan}.1 dev wan{wan} metric {100 + wan}",
                f"route add default via 2001:db8:{wan}::1 dev wan{wan} metric {100 + wan}",
            ],
        )

    def mac(self, part, device):
        return json.loads(command("ip", "-n", f"{NAME}-{part}", "-j", "link", "show", device))[0]["address"]

    def know_clients(self):
        """Nobody has to be asked for an address while something is measured."""
        client, where = self.mac("clients", "lan"), "dev lan0 nud permanent"
        lines = [f"neigh replace 10.77.1.{2 + n} {where} lladdr {client}" for n in range(CLIENTS)]
        lines += [f"neigh replace fd00:77::1:{2 + n:x} {where} lladdr {client}" for n in range(CLIENTS)]
        for wan in range(1, self.wans + 1):
            isp, where = self.mac("internet", f"isp{wan}"), f"dev wan{wan} nud permanent"
            lines += [f"neigh replace {gateway} {where} lladdr {isp}" for gateway in gateways(wan)]
        self.batch("router", lines)

    def raise_limits(self):
        """Conntrack's, which exist once a rule asks for conntrack."""
        command(*self.command("router", "nft", "-f", "-"), text="table ip warm {\n chain c {\n ct state new\n }\n}\n")
        self.run("router", "nft", "delete", "table", "ip", "warm")
        for path, value in MACHINE_LIMITS.items():
            self.limits[path] = pathlib.Path(path).read_text(encoding="ascii").strip()
            pathlib.Path(path).write_text(str(value), encoding="ascii")

    def write(self, part, path, value):
        command("ip", "netns", "exec", f"{NAME}-{part}", "sh", "-c", f"echo '{value}' > {path}")

    # --- processors -----------------------------------------------------------------------------------------
    def devices(self):
        """Part → its devices."""
        wans = range(1, self.wans + 1)
        return {
            "clients": ["lan"],
            "router": ["lan0", *(f"wan{wan}" for wan in wans)],
            "internet": [f"isp{wan}" for wan in wans],
        }

    def place(self):
        for part, devices in self.devices().items():
            for device in devices:
                self.write(part, f"/sys/class/net/{device}/threaded", 1)
        self.pin()

    def is_up(self, part, device):
        return json.loads(command("ip", "-n", f"{NAME}-{part}", "-j", "link", "show", device))[0]["operstate"] == "UP"

    def poll_sinks(self, wans):
        """So many are used: of more sinks each gets less, and need not look so often; they have but one core."""
        every_ns = self.sink_poll_ns * wans
        if every_ns == self.polled_ns:
            return
        self.polled_ns = every_ns
        for part in ("clients", "internet"):
            for device in self.devices()[part]:
                self.write(part, f"/sys/class/net/{device}/gro_flush_timeout", every_ns)
                self.write(part, f"/sys/class/net/{device}/napi_defer_hard_irqs", 50 if every_ns else 0)

    def pin(self):
        """The threads that poll the devices, each to its processor. Anew whenever programs have come or gone."""
        if not self.traffic:
            return
        router, forwarders = set(self.devices()["router"]), []
        for pid, device in polling_threads():
            if device in router:
                forwarders.append(pid)
                os.sched_setaffinity(pid, {ROUTER_CPU})
                os.setpriority(os.PRIO_PROCESS, pid, -20)
            else:
                os.sched_setaffinity(pid, {TRAFFIC_CPU})
                os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(10))
        self.traffic.order("forwarders", *forwarders)


def polling_threads():
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            found = re.fullmatch(r"napi/(lan0?|wan\d|isp\d)-\d+\n", path.read_text(encoding="ascii"))
            if found:
                yield int(path.parent.name), found[1]


def remove_parts():
    """Ours, and those of benchmarks that were killed."""
    there = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    for name, pid in re.findall(rf"^({FAMILY_NAME}(\d+)-\w+)", there, re.MULTILINE):
        if int(pid) == os.getpid() or not os.path.exists(f"/proc/{pid}"):
            command("ip", "netns", "delete", name)
