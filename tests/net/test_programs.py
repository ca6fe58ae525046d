# SPDX-License-Identifier: GPL-2.0
"""
What people use, through the router: web, file transfer, shell, telephone, names, tunnels, QUIC. On links with offloads
and without, and where a WAN's own subnet is the LAN's (RFC 4787 REQ-7, which there all of it shows).
"""

import contextlib
import filecmp
import json
import os
import subprocess
import time

import pytest
import programs
from lab import OVERLAPPING, Lab, wait_for
from steering import flows
from wire import V4, Flow, noise, serve, start

WAYS = {"offload": [], "no-offload": ["--no-offload"], "overlap": ["--overlap", "wan1"]}
MIB = 1 << 20


def senseless(name, params):
    """The subnets are the same in IPv4 only; and a failover there shows nothing that it does not show elsewhere."""
    return params.get("lab") == "overlap" and (
        name.startswith("test_9000") or ("family" in params and not params["family"].is4)
    )


@pytest.fixture(scope="module", params=WAYS)
def lab(request):
    """One controller for all tests of a way."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    with Lab(f"wh-programs-{os.getpid()}", options=WAYS[request.param]) as one:
        one.way = request.param
        start(one)
        yield one


@pytest.fixture(scope="module")
def shelf(lab):
    """A folder with something to fetch."""
    folder = lab.folder / "shelf"
    folder.mkdir()
    (folder / "large").write_bytes(os.urandom(8 * MIB))
    (folder / "small").write_bytes(os.urandom(3000))
    return folder


def url(family, port, name, scheme="http"):
    host = family.server if family.is4 else f"[{family.server}]"
    return f"{scheme}://{host}:{port}/{name}"


def external(lab, family):
    return OVERLAPPING if lab.way == "overlap" else family.wan(1)


def test_4787_req7_who_we_are(lab, family):
    """Also with the LAN's subnet outside: servers see the WAN's address, and answers come."""
    with serve(lab, family) as server, contextlib.closing(Flow(lab, family)) as flow:
        assert flow.meet(server)[0] == external(lab, family)
        assert flow.meet(server)[0] == external(lab, family)


def test_curl(lab, family, shelf):
    got = lab.folder / "got"
    with programs.web(lab, family, shelf):
        lab.run("client", "curl", "-sSfg", "-m", 20, "-o", got, url(family, 8080, "large"))
        assert filecmp.cmp(got, shelf / "large", shallow=False)
        many = [word for n in range(20) for word in ("-o", f"{got}.{n}", url(family, 8080, "small"))]
        lab.run("client", "curl", "-sSfgZ", "-m", 20, *many)
        assert all(filecmp.cmp(f"{got}.{n}", shelf / "small", shallow=False) for n in range(20))


@pytest.mark.parametrize("options", [[], ["-R"], ["-P", "4"], ["--bidir"]], ids=lambda o: " ".join(o) or "up")
def test_iperf3(lab, family, options):
    with programs.perf(lab, family):
        shown = lab.run("client", "iperf3", "--json", "-t", 1, "-c", family.server, *options).stdout
    end = json.loads(shown)["end"]
    assert end["sum_received"]["bytes"] > MIB


@pytest.mark.parametrize("options", [[], ["-R"]], ids=["up", "down"])
def test_iperf3_udp(lab, family, options):
    with programs.perf(lab, family):
        shown = lab.run("client", "iperf3", "--json", "-u", "-b", "20M", "-t", 1, "-c", family.server, *options).stdout
    end = json.loads(shown)["end"]["sum"]
    assert end["packets"] > 1000
    assert end["lost_packets"] <= end["packets"] // 100


@pytest.mark.parametrize("option", ["+notcp", "+tcp"])
def test_dig(lab, family, option):
    with programs.dns(lab, family):
        for n in range(10):
            asked = "dig", "-p", 5300, f"@{family.server}", f"n{n}.example.test", "+short", "+tries=1", option
            assert lab.run("client", *asked).stdout.strip() == "192.0.2.7"


def test_ssh(lab, family, shelf):
    with programs.shell(lab, family):
        start_of = programs.ssh(lab, family)
        assert lab.run("client", *start_of, "echo", "hello").stdout == "hello\n"
        with open(shelf / "large", "rb") as large:
            command = lab.command("client", *start_of, "cat")
            back = subprocess.run(command, stdin=large, capture_output=True, check=True, timeout=30).stdout
        assert back == (shelf / "large").read_bytes()


def test_passive_ftp(lab, family, shelf):
    place = lab.folder / "fetched"
    place.mkdir(exist_ok=True)
    script = (
        "set ftp:passive-mode on; set net:timeout 5; set net:max-retries 1; set ftp:ssl-allow off; "
        f"open {url(family, 2100, '', 'ftp')}; get -e large -o {place}/large; put -O in {shelf}/small -o again; "
        "ls"
    )
    with programs.ftp(lab, family, shelf):
        lab.run("client", "lftp", "--norc", "-c", script)
    assert filecmp.cmp(place / "large", shelf / "large", shallow=False)
    assert filecmp.cmp(shelf / "in/again", shelf / "small", shallow=False)
    (shelf / "in/again").unlink()


def test_sip_with_media(lab):
    """Ten calls; and what a telephone sends to the media port comes back to where it came from."""
    calls = "sipp", "-sn", "uac", "-i", V4.client, "-p", 5062, "-m", 10, "-r", 10, "-d", 200, "-nostdin", "-timeout", 10
    with programs.phone(lab):
        lab.run("client", *calls, f"{V4.server}:5060")
        with contextlib.closing(Flow(lab, V4, port=16384, dport=6000)) as media:
            for n in range(50):
                media.say(b"\x80\x00" + n.to_bytes(2, "big") + noise(168))
                time.sleep(0.005)
            heard = [media.hear()[0] for _ in range(50)]
    assert [int.from_bytes(one[2:4], "big") for one in heard] == list(range(50))


def test_udp_tunnel(lab, family):
    """OpenVPN from a client, and a transfer through it."""
    with programs.tunnel(lab, family, "client"):
        server = programs.running(lab, "inet", "iperf3", "-s", "-1", "-B", "10.9.0.1", "-p", 5202, port=5202)
        with server:
            shown = lab.run("client", "iperf3", "--json", "-t", 1, "-c", "10.9.0.1", "-p", 5202).stdout
    assert json.loads(shown)["end"]["sum_received"]["bytes"] > MIB
    outer = flows(lab.daemon, proto="udp", dst=family.server, dport=1194)
    assert sum(flow["tx_bytes"] for flow in outer) > MIB, "it took another way"


def test_socat(lab, family):
    """A plain relay, line by line."""
    host = family.server if family.is4 else f"[{family.server}]"
    kind = f"UDP{family.version}"
    with programs.running(lab, "inet", "socat", f"{kind}-LISTEN:9300,bind={host},fork", "EXEC:cat", port=9300):
        command = lab.command("client", "socat", "-t", "1", "-", f"{kind}:{host}:9300")
        said = subprocess.run(command, input=b"over and back\n", capture_output=True, check=True, timeout=10).stdout
    assert said == b"over and back\n"


def test_http3(lab, family, shelf):
    place = lab.folder / "quic"
    place.mkdir(exist_ok=True)
    with programs.http3(lab, family, shelf):
        fetch(lab, family, place, "large")
    assert filecmp.cmp(place / "large", shelf / "large", shallow=False)


def quic_client(lab, family, place, name):
    return "gtlsclient", "-q", "--exit-on-all-streams-close", f"--download={place}", family.server, 4433, url(
        family, 4433, name, "https"
    )


def fetch(lab, family, place, name):
    lab.run("client", *quic_client(lab, family, place, name))


def test_9000_s9_quic_survives_a_failover(lab, family, shelf):
    """The client's address changes for the server under the transfer, which goes on: nothing is told or reset."""
    place = lab.folder / f"moved{family.version}"
    place.mkdir()
    size = 64 * MIB
    with open(shelf / "huge", "wb") as huge:
        for _ in range(size // MIB):
            huge.write(os.urandom(MIB))
    with programs.http3(lab, family, shelf):
        transfer = programs.running(lab, "client", *quic_client(lab, family, place, "huge"))
        with transfer as process:
            wait_for(lambda: (place / "huge").exists() and (place / "huge").stat().st_size > size // 10, 10, "a tenth")
            lab.daemon.cli("wan", "down", "fiber", "--yes")
            so_far = (place / "huge").stat().st_size
            assert so_far < size, "it was over before"
            wait_for(lambda: process.poll() is not None, 30, "the transfer to end")
    assert filecmp.cmp(place / "huge", shelf / "huge", shallow=False)
    lab.daemon.cli("wan", "auto", "fiber")
    lab.daemon.wait_states(fiber="up")
