# SPDX-License-Identifier: GPL-2.0
"""
tcp.py: ordinary sockets through the router, with all offloads on, in pairs: kernel masquerade, then wanhelm on tc, in
the next pair the other way round. What is compared is the two of a pair, for whatever else the machine does hits both.
Clients, router and servers share the processors here, so that the figures are no measure of the router alone.

    bulk       iperf3 with 1 and 8 streams, Gbit/s
    ping-pong  round trips of one byte, UDP and TCP (pingpong.c)
"""

import contextlib
import json
import subprocess

import bed as beds
import cases

PORT = 5201
STREAMS = (1, 8)
WAYS = (cases.MASQUERADE, cases.WANHELM_TC)
TARGET = beds.PROBED


@contextlib.contextmanager
def servers(bed):
    processes = [
        subprocess.Popen(
            bed.command("internet", "iperf3", "-s", "-B", TARGET[family], "-p", PORT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for family in (4, 6)
    ]
    try:
        listening = ("ss", "-Hlnt", f"sport = {PORT}")
        beds.net.wait_for(lambda: bed.run("internet", *listening).stdout.count("\n") == 2, 5, "iperf3 to listen")
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def bulk(bed, family, streams, seconds):
    command = ["iperf3", "-c", TARGET[family], "-p", PORT, "-t", seconds, "-P", streams, "-J"]
    return json.loads(bed.run("clients", *command).stdout)["end"]["sum_received"]["bits_per_second"] / 1e9


def ping_pong(bed, family, proto, times):
    netns = [f"/run/netns/{beds.NAME}-{part}" for part in beds.PARTS]
    return json.loads(beds.command(beds.net.BUILD / "tests/bench/pingpong", *netns, TARGET[family], proto, times))


def samples_of(bed, way, settings):
    seconds, times = (1, 2000) if settings.quick else (2, 10_000)
    with way.on(bed):
        for family in (4, 6):
            bulk(bed, family, 1, 1)  # who has to be found, has been
            for streams in STREAMS:
                rate = bulk(bed, family, streams, seconds)
                yield {"case": way.name, "family": family, "what": f"bulk, {streams} streams", "gbit": rate}
            for proto in ("udp", "tcp"):
                trip = ping_pong(bed, family, proto, times)
                yield {"case": way.name, "family": family, "what": f"ping-pong, {proto}"} | trip
        if way.accel and not carried(bed):
            raise beds.BenchError("it went another way than by our programs")


def carried(bed):
    """Whether wanhelm saw the sessions."""
    return sum(wan["tx_bytes"] for wan in bed.daemon.status()["wans"]) > 1_000_000


def measure(settings):
    samples = []
    with beds.Bed(2, offloads=True) as bed, servers(bed):
        for number in range(settings.few_rounds):
            settings.say(f"TCP and latency, round {number + 1} of {settings.few_rounds}")
            for way in WAYS[:: -1 if number % 2 else 1]:
                samples += [one | {"round": number} for one in samples_of(bed, way, settings)]
    return {"samples": samples, "not_measured": []}
