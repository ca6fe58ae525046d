# SPDX-License-Identifier: GPL-2.0
"""
steering.py: what tests of whole days share: their configuration, how many rounds they take, where flows are, and
where figures go. Labs, controller and traffic are lab.py's; single exchanges are ways.py's.
"""

import json
import os
import re
import statistics

from lab import V4, LabError, accelerated, account, wait_for, wan_address

LONG = os.environ.get("WANHELM_LONG") == "1"
CLASSES, WANS = 64, 8  # the most there can be
FIBER, LTE = wan_address(1), wan_address(2)  # as servers see them in IPv4
FIREWALLS = ("kernel", "bypass")  # where it could make a difference


def rounds(normal, long):
    return long if LONG else normal


def config(default="{}", hold="500ms", firewall="kernel", failback="mode: drain", more=""):
    """
    Two WANs and the probes that are the default. Only failback's hold is shortened, so that rounds go quickly.
    `failback` is the rest of it, `more` is of the top level.
    """
    return f"""
lan: [lan0]
firewall: {firewall}
wans:
  fiber: {{device: wan1}}
  lte: {{device: wan2}}
probes:
  default:
    targets: [icmp:203.0.113.1, icmp:203.0.113.2, "icmp:2001:db8:203::1", "icmp:2001:db8:203::2"]
failback: {{{failback}, hold: {hold}}}
classes:
  default: {default}
{more}"""


def figure(name, **values):
    """A line for people; kept in the file that WANHELM_FIGURES names."""
    line = f"{name}: " + ", ".join(f"{key} {value}" for key, value in values.items())
    print(line)
    if os.environ.get("WANHELM_FIGURES"):
        with open(os.environ["WANHELM_FIGURES"], "a", encoding="utf-8") as figures:
            figures.write(line + "\n")


def spread(values):
    """The figures of many rounds, for figure()."""
    return {
        "median": f"{statistics.median(values):.1f}",
        "max": f"{max(values):.1f}",
        "all": " ".join(f"{value:.1f}" for value in sorted(values)),
    }


def start(lab, *args, **kwargs):
    """The controller, both WANs up in both families."""
    daemon = lab.start_daemon(config(*args, **kwargs))
    wait_up(daemon)
    return daemon


def running(lab, *args, **kwargs):
    """As start(), but a controller that runs with this configuration is taken over: for tests with kept_lab."""
    daemon, text = lab.daemon, config(*args, **kwargs)
    if not daemon.process or daemon.process.poll() is not None or daemon.config.read_text() != accelerated(text):
        daemon.stop()
        lab.start_daemon(text)
    wait_up(daemon)
    return daemon


def all_up(daemon, *names):
    """Whether all WANs, or those that are named, are up in both families."""
    wans = [wan for wan in daemon.status()["wans"] if not names or wan["name"] in names]
    return all(wan[family]["state"] == "up" for wan in wans for family in ("v4", "v6"))


def wait_up(daemon, *names):
    wait_for(lambda: all_up(daemon, *names), 15, f"{' and '.join(names) or 'all WANs'} to be up in both families")


def flows(daemon, **wanted):
    """Live flows as the command tells them: flows(daemon, proto="udp", dport=7)"""
    told = json.loads(daemon.cli("flows", "--json").stdout)["flows"]
    return [flow for flow in told if wanted.items() <= flow.items()]


def pins(daemon, **wanted):
    """5-tuple → the WAN and the external port that each flow has."""
    five = ("proto", "src", "sport", "dst", "dport")
    return {tuple(flow[key] for key in five): (flow["wan"], flow["ext_port"]) for flow in flows(daemon, **wanted)}


def table(daemon, name):
    """Key → value of a pinned map, as bpftool prints it with the names of its fields."""
    dumped = daemon.lab.run("router", "bpftool", "-j", "map", "dump", "pinned", daemon.bpf_dir / name).stdout
    rows = [row.get("formatted", row) for row in json.loads(dumped)]
    return [(row["key"], row["value"] if "value" in row else [cpu["value"] for cpu in row["values"]]) for row in rows]


def counted(daemon, what):
    """Of users' flows, on all WANs and processors: "moved", "reset", "new_flows"…"""
    users = CLASSES * WANS  # the probes' rows follow
    return sum(cpu[what] for row, cpus in table(daemon, "wh_counters") if row < users for cpu in cpus)


def drops(daemon):
    """Reason → packets that the data plane dropped so far."""
    return reasons(daemon, "drops_total")


def left_to_kernel(daemon):
    """Reason → packets that the data plane left to the kernel."""
    return reasons(daemon, "kernel_packets_total")


def reasons(daemon, metric):
    text = daemon.cli("metrics").stdout
    return {name: int(n) for name, n in re.findall(rf'wanhelm_{metric}\{{reason="([^"]+)"\}} (\d+)', text)}


def udp_stream(lab, *args, **kwargs):
    """A stream of datagrams, once it is echoed. Ends 0.3 s after it is told to, counting those on their way."""
    stream = lab.client("udp", "--timeout", 0.3, "--duration", 120, *args, **kwargs)
    wait_for(lambda: len(stream.records()) > 20, 5, "the stream to be echoed")
    return stream


def tcp_session(lab, *args, **kwargs):
    """A session, once it is established."""
    session = lab.client("tcp", "--duration", 120, "--give-up", 100, *args, **kwargs)
    wait_for(lambda: account.events(session.records(), "connected"), 5, "the session to be established")
    return session


def way_of(traffic):
    """Where the last line that tells it went."""
    return [record["wan"] for record in traffic.records() if "wan" in record][-1]


def ways_of_new_flows(lab, ip=V4):
    """
    The WANs that questions from fresh ports went by; the tests start dns-server for it. A busy machine may ask few of
    them in a quarter of a second: then it asks again.
    """
    asked = []
    for _ in range(20):
        asked += account.tries(lab.client("dns", "--duration", 0.25, "--rate", 40, ip=ip).finish())
        if len(asked) >= 3:
            break
    if len(asked) < 3 or account.failed(asked):
        raise LabError(f"questions without answer: {asked}")
    return {record["wan"] for record in asked}


def gap_ms(records, since_ns, old, new):
    """From the last datagram that arrived at the server by one WAN to the first by the other, as the server saw it."""
    arrived = sorted((r for r in records if r.get("arrived_ns")), key=lambda r: r["arrived_ns"])
    last = max(r["arrived_ns"] for r in arrived if r["wan"] == old)
    first = min(r["arrived_ns"] for r in arrived if r["wan"] == new and r["arrived_ns"] > since_ns)
    return (first - last) / 1e6
