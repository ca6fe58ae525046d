# SPDX-License-Identifier: GPL-2.0
"""
What happens when there is no more: of room for flows, of one client's share, under floods of SYNs. New flows are
refused with an answer and counted (RFC 6888 REQ-11), and those that were there never notice. Ports used up are
test_rfc_mapping.py's, fragments test_rfc_fragments.py's.
"""

import contextlib
import errno
import random
import socket
import time

import pytest
from scapy.layers.inet import TCP, UDP

from inside import is_silent
from lab import wait_for
from steering import drops, flows
from wire import (
    Flow, client_tap, counting, dial, error, exchange, mute, of, serve, settings, start, udp, wan_tap, whole,
)

LAB = {"wans": 2, "options": ["--no-offload"]}
LEAST = 1024  # flows, that a configuration may ask for
OLD = 20


@pytest.fixture
def old(lab, family):
    """old(): flows of a client's, each met once; what it returns meets them again, each at its old end."""
    with contextlib.ExitStack() as stack:

        def begin(part="client"):
            server = stack.enter_context(serve(lab, family, 9700))
            listening = stack.enter_context(serve(lab, family, 9701, kind=socket.SOCK_STREAM))
            mine = [stack.enter_context(contextlib.closing(Flow(lab, family, part))) for _ in range(OLD)]
            ends = [flow.meet(server) for flow in mine]
            ours, theirs, _ = dial(lab, family, listening, part)

            def again():
                assert [flow.meet(server) for flow in mine] == ends
                exchange(ours, theirs)

            again()
            return again

        yield begin


def fill(tap, family, address, count, first=1024):
    """Datagrams from one endpoint each; nobody answers."""
    tap.put(*(udp(family, address, first + n, family.phantom, 9702) for n in range(count)))


def held(daemon):
    return int(daemon.json("flows", "--count")["flows"])


def refused(lab, family, part="client"):
    """Whether a new flow's sender is told, by ICMP from the router; its program hears so."""
    with client_tap(lab, part) as tap, contextlib.closing(Flow(lab, family, part, dport=9703)) as flow:
        heard = flow.refused()
        told = whole(tap.expect(error(family)))
        assert told.src in (family.router, family.server)
        quoted = family.error_of(told)[2]
        assert (quoted.dst, quoted[UDP].sport) == (family.server, flow.port)
        return heard == errno.EHOSTUNREACH


def test_6888_req11_table_full(lab, family, old):
    daemon = start(lab, settings(more=f"limits: {{flows: {LEAST}}}"))
    again = old()
    with client_tap(lab, "client2") as tap, counting(daemon, "table-full"):
        fill(tap, family, family.client2, 2 * LEAST)
        wait_for(lambda: drops(daemon)["table-full"] > 0, 5, "the table to be full")
        assert LEAST - 64 <= held(daemon) <= LEAST
        with counting(daemon, "table-full"):
            assert refused(lab, family)
    again()
    assert daemon.wait_event("table-full")
    again()


def test_room_again_when_flows_end(lab, family):
    """Nobody is evicted; what ends by itself makes room."""
    daemon = start(lab, settings(more=f"limits: {{flows: {LEAST}}}"), scale=30)
    with client_tap(lab, "client2") as tap:
        fill(tap, family, family.client2, 2 * LEAST)
    wait_for(lambda: drops(daemon)["table-full"] > 0, 5, "the table to be full")
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:

        def answered():
            flow.say(to=server.getsockname()[:2])
            return not is_silent(server, 0.1)

        wait_for(answered, 30, "a new flow to be taken")


def test_6888_req4_limit_of_a_client(lab, family, old):
    """The greedy one is told and counted; its own old flows and everybody else's new ones are as ever."""
    daemon = start(lab, settings(more="limits: {flows: 65536, flows-per-client: 100}"))
    greedy = old("client2")
    with client_tap(lab, "client2") as tap:
        with counting(daemon, "client-limit", 50):
            fill(tap, family, family.client2, 200)
        assert len(flows(daemon, src=family.client2)) <= 100
    greedy()
    assert refused(lab, family, "client2")
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        flow.meet(server)


def test_limit_of_a_client_is_lifted_by_its_flows_end(lab, family):
    daemon = start(lab, settings(more="limits: {flows: 65536, flows-per-client: 100}"), scale=100)
    with client_tap(lab, "client2") as tap:
        fill(tap, family, family.client2, 150)
    wait_for(lambda: drops(daemon)["client-limit"] > 0, 5, "the limit to be met")
    wait_for(lambda: not flows(daemon, src=family.client2), 15, "its flows to end")
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family, "client2")) as flow:
        flow.meet(server)


def test_syn_flood_from_inside(lab, family, old):
    """Half-open sessions fill what there is: the table stands, old sessions go on, and when they end there is room."""
    daemon = start(lab, settings(more=f"limits: {{flows: {LEAST}, flows-per-client: {LEAST}}}"), scale=15)
    draw = random.Random(1)

    def syn():
        ports = {"sport": draw.randrange(1024, 65536), "dport": draw.randrange(1, 65536)}
        return family.ip(family.client2, family.phantom) / TCP(flags="S", seq=1, **ports)

    with client_tap(lab, "client2") as tap, mute(lab, "client2", "tcp dport >= 1024"):
        syns = tap.make(*(syn() for _ in range(2 * LEAST)))
        again = old()
        tap.put_made(syns)
        wait_for(lambda: drops(daemon)["table-full"] > 0, 5, "the table to be full")
    again()
    wait_for(lambda: held(daemon) < LEAST // 2, 45, "half-open sessions to end")
    with serve(lab, family, 9704, kind=socket.SOCK_STREAM) as listening:
        ours, theirs, _ = dial(lab, family, listening)
        exchange(ours, theirs)


@pytest.mark.parametrize("kind", ["syn", "datagram"])
def test_flood_from_outside(lab, family, old, kind):
    """To every port of the range: nothing of it comes to stay, nothing is delivered, old flows go on."""
    daemon = start(lab)
    again = old()
    before, draw = held(daemon), random.Random(2)
    with wan_tap(lab) as wan, client_tap(lab) as client:
        for n in range(4000):
            ports = {"sport": draw.randrange(1024, 65536), "dport": 20000 + n % 12000}
            l4 = TCP(flags="S", seq=n, **ports) if kind == "syn" else UDP(**ports)
            with contextlib.suppress(BlockingIOError):
                wan.put(family.ip(family.server_at(66), family.wan(1)) / l4)
            if n % 1000 == 0:
                again()
        client.silent(of(family, src=family.server_at(66)))
    again()
    assert held(daemon) <= before + 5


def test_flood_of_new_flows_and_the_rest(lab, family, old):
    """As many new flows as a client can make in some seconds: another client's new ones are answered meanwhile."""
    start(lab, settings(more="limits: {flows: 65536, flows-per-client: 1000}"))
    again = old()
    ending = time.monotonic() + 2
    with client_tap(lab, "client2") as tap, serve(lab, family) as server:
        n = 0
        while time.monotonic() < ending:
            for _ in range(200):
                n += 1
                with contextlib.suppress(BlockingIOError):
                    tap.put(udp(family, family.client2, 1024 + n % 60000, family.phantom, 9000 + n % 50))
            with contextlib.closing(Flow(lab, family)) as flow:
                flow.meet(server)
    again()
