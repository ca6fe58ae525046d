# SPDX-License-Identifier: GPL-2.0
"""
One TCP stream through the router: at least as fast as through the kernel's own masquerade. Measured in one lab, in
turns: the ruleset, with its masquerade, is the same for both, only the controller and its programs come and go.
"""

import contextlib
import json
import statistics
import subprocess

import pytest

from lab import FAMILIES, wait_for
from steering import LONG, figure, flows, rounds
from wire import FIREWALL, settings, start

LAB = {"wans": 2, "options": ["--masquerade"]}
PORT = 5201
WANTED = 0.97 if LONG else 0.8  # a few pairs on a busy machine say little


@pytest.fixture(params=FAMILIES, ids=str)
def server(lab, request):
    """The family of a server that iperf3 listens at."""
    family = request.param
    command = lab.command("inet", "iperf3", "-s", "-B", family.server, "-p", PORT)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        listening = lab.command("inet", "ss", "-Hlnt", f"sport = {PORT}")
        wait_for(lambda: subprocess.run(listening, check=True, capture_output=True).stdout, 5, "iperf3 to listen")
        yield family
        process.terminate()


def transfer(lab, family):
    """What came through in a second: (bytes, Gbit/s)"""
    done = lab.run("client", "iperf3", "-c", family.server, "-p", PORT, "-t", 1, "-J")
    received = json.loads(done.stdout)["end"]["sum_received"]
    return received["bytes"], received["bits_per_second"] / 1e9


@contextlib.contextmanager
def steering(lab, family, firewall):
    start(lab, settings().replace(f"firewall: {FIREWALL}", f"firewall: {firewall}"), [family])
    yield
    lab.daemon.stop()


def ours(lab, family):
    carried, rate = transfer(lab, family)
    counted = sum(flow["tx_bytes"] for flow in flows(lab.daemon, proto="tcp", dport=PORT, wan="fiber"))
    assert counted >= carried, "it went another way than by our programs"
    return rate


def pairs(lab, family, firewall, count):
    """(kernel's, ours) of each, first the one first and then the other, so that a drift of the machine's hits both."""
    while count > 0:
        first = transfer(lab, family)[1]
        with steering(lab, family, firewall):
            yield first, ours(lab, family)
            second = ours(lab, family)
        yield transfer(lab, family)[1], second
        count -= 2


@pytest.mark.parametrize("firewall", ["kernel", "bypass"])
def test_bulk(lab, server, firewall):
    transfer(lab, server)  # whoever has to be found, has been
    rates = list(pairs(lab, server, firewall, rounds(4, 20)))
    ratios = [with_us / without for without, with_us in rates]
    quartiles = statistics.quantiles(ratios, n=4)
    figure(
        f"TCP bulk, {server}, firewall {firewall}, against the kernel's masquerade, {len(ratios)} pairs of 1 s",
        ratio=f"{statistics.median(ratios):.3f}",
        quartiles=f"{quartiles[0]:.2f} to {quartiles[2]:.2f}",
        gbit_kernel=f"{statistics.median(rate[0] for rate in rates):.2f}",
        gbit_ours=f"{statistics.median(rate[1] for rate in rates):.2f}",
    )
    assert statistics.median(ratios) >= WANTED
