# SPDX-License-Identifier: GPL-2.0
"""
A router that is a Docker host too: firewall: kernel under the rules that dockerd makes, with br_netfilter on. The
rules are put in by iptables-restore, as dockerd leaves them; what they lead to is a namespace behind docker0.
"""

import contextlib
import os
import socket
import subprocess

import pytest

from inside import open_socket
from lab import FAMILIES, V4, Lab, wait_for
from steering import all_up, config
from ways import EXCHANGES, Ways, assert_everyday

CONTAINER, PUBLISHED = "172.17.0.2", 8080

# As dockerd leaves them, with one published port; the two rules of DOCKER-USER are the router owner's.
DOCKER = """
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -o wan+ -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -i lan0 -j ACCEPT
-A DOCKER-USER -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""
DOCKER6 = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i lan0 -j ACCEPT
-A FORWARD -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""


class DockerHost(Lab):
    """The lab, with br_netfilter on as Docker has it, docker0 and one container."""

    def __enter__(self):
        super().__enter__()
        try:
            container = f"{self.name}-container"
            subprocess.run(["ip", "netns", "add", container], check=True)
            for line in (
                "link add docker0 type bridge forward_delay 0",
                f"link add veth0 type veth peer name eth0 netns {container}",
                "link set veth0 master docker0 up",
                "link set docker0 up",
                "address add 172.17.0.1/16 dev docker0",
            ):
                self.ip("router", *line.split())
            for line in (
                "link set lo up",
                "link set eth0 up",
                f"address add {CONTAINER}/16 dev eth0",
                "route add default via 172.17.0.1",
            ):
                self.ip("container", *line.split())
            for command, text in (("iptables-restore", DOCKER), ("ip6tables-restore", DOCKER6)):
                subprocess.run(self.command("router", command), input=text, text=True, check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        super().__exit__()
        subprocess.run(["ip", "netns", "delete", f"{self.name}-container"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def docker():
    with DockerHost(f"wh-docker-{os.getpid()}", options=["--br-netfilter"]) as host:
        text = config("{prefer: [lte, fiber]}", firewall="kernel").replace("lan: [lan0]", "lan: [lan0, docker0]")
        daemon = host.start_daemon(text)
        wait_for(lambda: all_up(daemon), 15, "all WANs to be up")
        yield host


def test_docker_on_the_router(docker):
    with Ways(docker) as ways:
        assert_everyday(docker, ways, 2)


def test_bridged_clients_still_meet(docker):
    """What only crosses the bridge meets iptables too, and none of us."""
    for kind, exchange in EXCHANGES.items():
        for ip in FAMILIES:
            assert exchange(docker, ip, to=ip.client2, server="client2") == ip.client, kind


def test_a_container_goes_out(docker):
    with Ways(docker) as ways:
        for kind, exchange in EXCHANGES.items():
            assert exchange(docker, V4, part="container", times=5) == V4.wan(2), kind
        assert ways.of(dst=V4.server) == {(2, V4.wan(2))}


@pytest.mark.parametrize("number", [1, 2])
def test_a_published_port(docker, number):
    with Ways(docker) as ways:
        assert tcp_in(docker, V4.wan(number)) == V4.server_at(9)
        assert ways.of(dst=V4.server_at(9)) == {(number, V4.wan(number))}


def tcp_in(host, address):
    """A session from outside to the published port; the source that the container sees."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(open_socket(host, "container", socket.SOCK_STREAM, bind=(CONTAINER, 80)))
        listening.listen()
        caller = open_socket(host, "inet", socket.SOCK_STREAM, bind=(V4.server_at(9), 0))
        stack.enter_context(caller).connect((address, PUBLISHED))
        answering, seen = listening.accept()
        stack.enter_context(answering).sendall(b"welcome")
        assert caller.recv(100) == b"welcome"
    return seen[0]
