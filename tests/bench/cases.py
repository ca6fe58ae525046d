# SPDX-License-Identifier: GPL-2.0
"""
cases.py: the ways through the router that are compared. `with case.on(bed)`: the router works that way.

    kernel          the kernel forwards; one WAN, no rule, no conntrack
    masquerade      two WANs as scripts do it: rulesets/multiwan-*.nft and multiwan.sh
    bare-tc         bare.bpf.c at the LAN device on tc: new MACs, out by one WAN
    bare-xdp        the same on XDP
    drop            XDP drops what comes
    wanhelm-tc      wanhelm, accel: tc
    wanhelm-xdp     wanhelm, accel: xdp
    flowtable       as masquerade, with known flows in an nft flowtable (rulesets/flowtable-2.nft; flowtable.py only)
"""

import contextlib
import dataclasses
import pathlib
import time

import bed as beds

RULESETS = beds.HERE / "rulesets"
LIMIT = 2_000_000


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    translated: bool = False  # what leaves has a WAN's address
    ttl: int = 63  # that packets arrive with
    bare: str = ""
    ruleset: str = ""  # rulesets/…-WANS.nft
    accel: str = ""
    limit: int = LIMIT  # flows that wanhelm has room for
    firewall: str = "kernel"
    lines: int = 0  # match lines that nothing fits
    classes: int = 1  # 64: that many, which share the lines
    interval: str = "10s"  # of probes
    wans: int = 0  # that wanhelm uses; 0: all there are

    @contextlib.contextmanager
    def on(self, bed):
        with contextlib.ExitStack() as stack:
            bed.run("router", "conntrack", "-F")
            if self.bare:
                stack.enter_context(bare(bed, self.bare))
            elif self.ruleset:
                stack.enter_context(masquerade(bed, self.ruleset))
            elif self.accel:
                stack.enter_context(wanhelm(bed, self))
            bed.pin()
            if bed.traffic:
                bed.poll_sinks(self.wans or (bed.wans if self.translated else 1))
                bed.traffic.order("expect", int(self.translated), self.ttl)
                bed.traffic.order("forget")
            yield self


KERNEL = Case("kernel")
MASQUERADE = Case("masquerade", translated=True, ruleset="multiwan")
FLOWTABLE = Case("flowtable", translated=True, ruleset="flowtable")
BARE_TC = Case("bare-tc", ttl=64, bare="tc")
BARE_XDP = Case("bare-xdp", ttl=64, bare="xdp")
DROP = Case("drop", ttl=64, bare="drop")
WANHELM_TC = Case("wanhelm-tc", translated=True, accel="tc")
WANHELM_XDP = Case("wanhelm-xdp", translated=True, accel="xdp")
ALL = (KERNEL, MASQUERADE, BARE_TC, BARE_XDP, DROP, WANHELM_TC, WANHELM_XDP)


@contextlib.contextmanager
def bare(bed, kind):
    bed.traffic.order("bare", kind, "up")
    try:
        yield
    finally:
        bed.traffic.order("bare", "none", "up")


@contextlib.contextmanager
def masquerade(bed, ruleset):
    bed.run("router", "nft", "-f", RULESETS / f"{ruleset}-{bed.wans}.nft")
    bed.run("router", RULESETS / "multiwan.sh", "up", bed.wans)
    try:
        yield
    finally:
        bed.run("router", RULESETS / "multiwan.sh", "down", bed.wans)
        bed.run("router", "nft", "delete", "table", "inet", "multiwan")
        bed.run("router", "conntrack", "-F")


@contextlib.contextmanager
def wanhelm(bed, case):
    """Its WANs are up by hand: no probe can be lost so that they are not."""
    bed.daemon.start(config(bed, case))
    try:
        for wan in range(1, (case.wans or bed.wans) + 1):
            bed.daemon.cli("wan", "up", f"wan{wan}")
        beds.net.wait_for(lambda: all_alive(bed), 10, "all WANs to be up")
        beds.net.wait_for(lambda: is_quiet(bed.daemon.process.pid), 20, "wanhelmd to have started")
        yield
    finally:
        bed.daemon.stop()


def is_built(bed, case):
    """Whether this wanhelm knows the case's way at all."""
    if not case.accel:
        return True
    path = bed.folder / "check.yaml"
    path.write_text(config(bed, case))
    return bed.run("router", beds.net.BUILD / "wanhelmd", "--check", "-c", path, check=False).returncode == 0


def is_quiet(pid):
    """Whether the process has little to do: a start goes on for a while after it answers."""
    path = pathlib.Path(f"/proc/{pid}/schedstat")
    before = int(path.read_text(encoding="ascii").split()[0])
    time.sleep(0.2)
    return int(path.read_text(encoding="ascii").split()[0]) - before < 0.1 * 0.2e9


def all_alive(bed):
    return all(state == "forced-up" for state in bed.daemon.states().values())


def config(bed, case):
    """wanhelm.yaml with WANs that all have the same weight, and with lines and classes that nothing fits."""
    wans = case.wans or bed.wans
    shares = ", ".join(f"wan{wan}: 1" for wan in range(1, wans + 1))
    uplinks = "".join(
        f"  wan{wan}: {{device: wan{wan}, gateway: [198.18.{wan}.1, '2001:db8:{wan}::1'], nat6: masquerade,"
        " ports: 1024-60999}\n"
        for wan in range(1, wans + 1)
    )
    return f"""lan: [lan0]
firewall: {case.firewall}
accel: {case.accel}
wans:
{uplinks}probes:
  default:
    targets: ["icmp:{beds.PROBED[4]}", "icmp:{beds.PROBED[6]}"]
    interval: {case.interval}
limits: {{flows: {case.limit}, flows-per-client: {case.limit}}}
classes:
{other_classes(case)}  default: {{balance: {{{shares}}}, affinity: flow}}
"""


def other_classes(case):
    """`lines` match lines, shared by all classes but the default one; one class where there is no other."""
    if not case.lines:
        return ""
    text, others = "", max(1, case.classes - 1)
    for number in range(others):
        lines = range(number, case.lines, others)
        match = ", ".join(line(i) for i in lines)
        text += f"  other{number}: {{match: [{match}], prefer: [wan1]}}\n"
    return text


def line(number):
    return f"{{proto: udp, from: 10.{number // 250}.{number % 250}.0/24, dport: {1000 + number}}}"
