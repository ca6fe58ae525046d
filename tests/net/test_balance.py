# SPDX-License-Identifier: GPL-2.0
"""
Shares: many short flows between unlike addresses and ports, counted at the server by the WAN they came by, agree
with the weights, with two to four WANs and after the loss of one; and no failover writes a bucket table.
Flows are drawn from WANHELM_SEED [1]; agreement is Pearson's chi-square at p = 0.001.
"""

import contextlib
import os
import random
import sys

import pytest

from held import lookup
from inside import open_socket
from lab import FAMILIES, V4, V6
from steering import figure, wait_up

LAB = {"wans": 4}

FLOWS = 2000
NAMES = "abcd"
ALIASES = {ip: [ip.inside(host) for host in range(10, 210)] for ip in FAMILIES}
SERVERS = {ip: [ip.server_at(host) for host in range(1, 11)] for ip in FAMILIES}
PORT = 9000
# chi-square that chance exceeds once in a thousand, by degrees of freedom
CRITICAL = {1: 10.83, 2: 13.82, 3: 16.27}

SEED = int(os.environ.get("WANHELM_SEED", "1"))


def config(weights, affinity="src-dst"):
    wans = "\n".join(f"  {name}: {{device: wan{i}}}" for i, name in enumerate(NAMES[: len(weights)], start=1))
    shares = ", ".join(f"{name}: {weight}" for name, weight in zip(NAMES, weights))
    return f"""
lan: [lan0]
wans:
{wans}
probes:
  default: {{targets: ["icmp:203.0.113.1", "icmp:2001:db8:203::1"]}}
classes:
  default: {{balance: {{{shares}}}, affinity: {affinity}}}
"""


@pytest.fixture(scope="module", autouse=True)
def aliases(module_lab):
    """Many clients in one."""
    lengths = {V4: "24", V6: "64 nodad"}
    batch = "".join(f"address add {alias}/{lengths[ip]} dev lan\n" for ip in FAMILIES for alias in ALIASES[ip])
    path = module_lab.folder / "aliases"
    path.write_text(batch)
    module_lab.run("client", "ip", "-batch", path)


@pytest.fixture
def servers(lab):
    with contextlib.ExitStack() as stack:
        addresses = SERVERS[V4] + SERVERS[V6]
        yield {to: stack.enter_context(open_socket(lab, "inet", bind=(to, PORT))) for to in addresses}


def start(lab, *args):
    daemon = lab.start_daemon(config(*args))
    wait_up(daemon)
    return daemon


def draw_pairs(draw, ip=V4):
    """Each pair of a client and a server once, each from a port of its own: endpoints that know no WAN yet."""
    pairs = [(alias, server) for alias in ALIASES[ip] for server in SERVERS[ip]]
    ports = draw.sample(range(20000, 60000), len(pairs))
    return [(alias, port, server) for (alias, server), port in zip(draw.sample(pairs, len(pairs)), ports)]


def draw_flows(draw):
    """All of one client, to one server."""
    return [(ALIASES[V4][0], port, SERVERS[V4][0]) for port in draw.sample(range(10000, 60000), FLOWS)]


def ways(lab, servers, flows):
    """The name of the WAN by which each flow's packet came; each is answered."""
    by_address = {ip.wan(i): name for ip in FAMILIES for i, name in enumerate(NAMES, start=1)}
    taken = []
    for source, port, to in flows:
        with open_socket(lab, "client", bind=(source, port)) as client:
            client.sendto(b"?", (to, PORT))
            _, seen = servers[to].recvfrom(10)
            servers[to].sendto(b"!", seen)
            client.recv(10)
            taken.append(by_address[seen[0]])
    return taken


def counts(taken):
    return {name: taken.count(name) for name in NAMES if name in taken}


def chi_square(taken, weights):
    """Of those counted against the weights of the WANs that could be taken."""
    total = sum(weights.values())
    assert set(taken) <= set(weights), f"{set(taken)} were taken"
    expected = {name: len(taken) * weight / total for name, weight in weights.items()}
    return sum((taken.count(name) - want) ** 2 / want for name, want in expected.items())


def check_shares(taken, weights, what):
    found = chi_square(taken, weights)
    bound = CRITICAL[len(weights) - 1]
    figure(f"balance, {what}", seed=SEED, flows=counts(taken), chi_square=f"{found:.2f}", bound=bound)
    assert found < bound


@pytest.mark.parametrize("ip", FAMILIES, ids=str)
def test_two_wans(lab, servers, ip):
    start(lab, [80, 20])
    taken = ways(lab, servers, draw_pairs(random.Random(SEED), ip))
    check_shares(taken, {"a": 80, "b": 20}, f"two WANs 80:20, {ip}, by source and destination")


def test_pair_stays_together(lab, servers):
    """Affinity src-dst: whatever its ports, a pair of addresses keeps its WAN."""
    start(lab, [50, 50])
    draw = random.Random(SEED)
    pairs = [(draw.choice(ALIASES[V4]), draw.choice(SERVERS[V4])) for _ in range(60)]
    rounds = []
    for base in (20000, 22000, 24000):
        rounds.append(ways(lab, servers, [(alias, base + i, to) for i, (alias, to) in enumerate(pairs)]))
    assert rounds[0] == rounds[1] == rounds[2]
    assert set(rounds[0]) == {"a", "b"}


def test_affinity_flow(lab, servers):
    """One client and one server, and still both WANs by their weights."""
    start(lab, [80, 20], "flow")
    taken = ways(lab, servers, draw_flows(random.Random(SEED)))
    check_shares(taken, {"a": 80, "b": 20}, "two WANs 80:20, by flow")


def test_affinity_src(lab, servers):
    """A client keeps its WAN, whomever it talks to."""
    start(lab, [50, 50], "src")
    clients, to = ALIASES[V4][:40], SERVERS[V4]
    flows = [(alias, 20000 + 10 * i + j, server) for i, alias in enumerate(clients) for j, server in enumerate(to)]
    taken = ways(lab, servers, flows)
    by_client = [set(taken[i : i + len(to)]) for i in range(0, len(taken), len(to))]
    assert all(len(used) == 1 for used in by_client)
    assert set().union(*by_client) == {"a", "b"}


def buckets(daemon):
    """The number of the table set in force, and the default class's table."""
    number = int.from_bytes(lookup("pinned", daemon.bpf_dir / "wh_buckets"), sys.byteorder)
    return number, lookup("id", number)


@pytest.mark.parametrize("weights", [[50, 30, 20], [40, 30, 20, 10]])
def test_failure_of_one(lab, servers, weights):
    """Its share goes to the others by their weights; what was on them stays; no table is written for it."""
    daemon = start(lab, weights, "flow")
    named = dict(zip(NAMES, weights))
    draw = random.Random(SEED)
    flows = draw_flows(draw)
    taken = ways(lab, servers, flows)
    check_shares(taken, named, f"{len(weights)} WANs {weights}")
    tables = buckets(daemon)
    assert len(tables[1]) == 4096

    lab.break_wan(1, "blackhole")
    daemon.wait_states(a="down")
    again = ways(lab, servers, flows)
    assert all(now == then for now, then in zip(again, taken) if then != "a")
    del named["a"]
    moved = [now for now, then in zip(again, taken) if then == "a"]
    check_shares(moved, named, f"{len(weights)} WANs {weights}, flows of the lost one")
    fresh = [(ALIASES[V4][1], port, SERVERS[V4][1]) for _, port, _ in draw_flows(draw)]
    check_shares(ways(lab, servers, fresh), named, f"{len(weights)} WANs {weights}, new flows without the lost one")
    assert buckets(daemon) == tables
