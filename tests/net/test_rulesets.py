# SPDX-License-Identifier: GPL-2.0
"""
firewall: kernel under rulesets as people have them: written by hand, by ufw, by firewalld (both programs run here, in
the router's network namespace and mount namespaces of their own); Docker's are test_docker.py's. Each is put under
everyday traffic, by a WAN that the kernel would not choose, and after that WAN's failure by the other.
"""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from inside import connect, listen, open_socket
from lab import FAMILIES, LabError, account, wait_for
from steering import start, tcp_session, udp_stream
from ways import assert_everyday, fails, tcp, udp

LAB = {"wans": 2}

pytestmark = pytest.mark.usefixtures("rules")

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)


def begin(lab):
    return start(lab, "{prefer: [lte, fiber]}", firewall="kernel")


def assert_holds(lab, ways, daemon):
    assert_everyday(lab, ways, 2)
    lab.break_wan(2, "blackhole")
    daemon.wait_states(lte="down")
    assert_everyday(lab, ways, 1)
    lab.heal(2)
    daemon.wait_states(lte="up")
    lab.break_wan(1, "carrier")
    daemon.wait_states(fiber="absent")
    assert_everyday(lab, ways, 2)


# --- by hand -----------------------------------------------------------------------------------------------------

NAT = 'table inet nat { chain p { type nat hook postrouting priority srcnat; oifname "wan*" masquerade; }; }'
FORWARD = "type filter hook forward priority filter; policy drop;"
INPUT = """
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
        iifname { lo, lan0 } accept
    }"""

BY_HAND = {
    "ct state accepts": f"""
        table inet filter {{ {INPUT}
            chain forward {{ {FORWARD}
                ct state established,related accept
                ct state invalid drop
                iifname lan0 oifname "wan*" ct state new accept
            }}
        }}
        {NAT}""",
    "ct state vmap": f"""
        table inet filter {{ {INPUT}
            chain forward {{ {FORWARD}
                ct state vmap {{ established : accept, related : accept, invalid : drop }}
                iifname lan0 oifname "wan*" accept
            }}
        }}
        {NAT}""",
    "chains by device": f"""
        table inet filter {{ {INPUT}
            chain from_lan {{ ct state new,established accept; }}
            chain from_wan {{ ct state established,related accept; drop; }}
            chain forward {{ {FORWARD}
                iifname vmap {{ "lan0" : jump from_lan, "wan1" : jump from_wan, "wan2" : jump from_wan }}
            }}
        }}
        {NAT}""",
    "notrack nothing, count everything": f"""
        table inet filter {{ {INPUT}
            chain forward {{ {FORWARD}
                ct state established,related counter accept
                iifname lan0 meta mark and 0xff != 0x42 limit rate over 100000/second drop
                iifname lan0 ct state new ct original packets < 5 counter accept
            }}
        }}
        {NAT}""",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(lab, ways, name):
    lab.nft("router", BY_HAND[name])
    assert_holds(lab, ways, begin(lab))


# --- ufw, firewalld ----------------------------------------------------------------------------------------------


def own_mounts(lab, script):
    """A shell's command in the router's network namespace, with a mount namespace where it may write."""
    return lab.command("router", "unshare", "--mount", "--propagation", "private", "bash", "-euc", script)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"needs {program}")


UFW = """
rm -rf {folder}
mkdir {folder}
cp -a /etc/ufw /etc/default {folder}
mount --bind {folder}/ufw /etc/ufw
mount --bind {folder}/default /etc/default
mount -t tmpfs none /run
for rules in before.rules before6.rules; do
    printf '*nat\\n:POSTROUTING ACCEPT [0:0]\\n-A POSTROUTING -o wan+ -j MASQUERADE\\nCOMMIT\\n' >>/etc/ufw/$rules
done
ufw --force enable
ufw default deny routed
ufw allow in on lan0
ufw route allow in on lan0
"""


@contextlib.contextmanager
def ufw(lab):
    need("ufw")
    script = UFW.format(folder=lab.folder / "ufw")
    done = subprocess.run(own_mounts(lab, script), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    yield
    for command in ("iptables", "ip6tables"):
        for args in ("-F", "-X", "-P FORWARD ACCEPT", "-P INPUT ACCEPT", "-P OUTPUT ACCEPT"):
            lab.run("router", command, *args.split())


FIREWALLD = """
rm -rf {folder}
cp -a /etc/firewalld {folder}
mount --bind {folder} /etc/firewalld
mount -t tmpfs none /run
mkdir /run/dbus
cat >/run/bus.conf <<END
<busconfig>
<type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/><allow send_type="*"/><allow receive_type="*"/><allow send_destination="*"/>
</policy>
</busconfig>
END
dbus-daemon --config-file=/run/bus.conf --nofork --nosyslog &
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.02; done
exec firewalld --nofork --nopid
"""


@contextlib.contextmanager
def firewalld(lab):
    """Yields what runs firewall-cmd."""
    need("firewalld", "dbus-daemon")
    script = own_mounts(lab, FIREWALLD.format(folder=lab.folder / "firewalld"))
    process = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def command(*args, check=True):
        enter = ["nsenter", "-t", str(process.pid), "--mount", "--net", "firewall-cmd", *args]
        return subprocess.run(enter, check=check, capture_output=True, text=True, timeout=20).stdout.strip()

    try:
        wait_for(lambda: command("--state", check=False) == "running", 20, "firewalld", 0.1)
        for zone, device in (("internal", "lan0"), ("external", "wan1"), ("external", "wan2")):
            command("--permanent", f"--zone={zone}", f"--add-interface={device}")
        command("--permanent", "--new-policy=out")
        command("--permanent", "--policy=out", "--add-ingress-zone=internal")
        command("--permanent", "--policy=out", "--add-egress-zone=external")
        command("--permanent", "--policy=out", "--set-target=ACCEPT")
        command("--reload")
        yield command
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


@pytest.mark.parametrize("program", [ufw, firewalld], ids=lambda program: program.__name__)
def test_program(lab, ways, program):
    with program(lab):
        assert_holds(lab, ways, begin(lab))


@families
def test_firewalld_reloads_under_traffic(lab, ip):
    """It takes all its rules out and puts them in again."""
    with firewalld(lab) as command:
        begin(lab)
        lab.servers("udp", "tcp", ip=ip)
        session = tcp_session(lab, "--to", ip.server)
        stream = udp_stream(lab, "--rate", 100, ip=ip)
        for _ in range(3):
            command("--reload")
            now = len(account.echoes(stream.records()))
            wait_for(lambda n=now: len(account.echoes(stream.records())) > n + 20, 5, "the stream to go on")
        records = session.stop()
        assert [r["event"] for r in records if r["event"] in ("connected", "reset", "gave-up")] == ["connected"]
        assert {r["wan"] for r in account.echoes(stream.stop())} == {ip.wan(2)}


# --- redirects ---------------------------------------------------------------------------------------------------


def redirect(what):
    """What comes from the LAN for port 53."""
    return f"""
        table inet hijack {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                iifname lan0 meta l4proto {{ tcp, udp }} th dport 53 {what}
            }}
        }}
        {NAT}"""


def ask(lab, ip, servant, times=5):
    """A client asks a resolver; who answers is another socket, which returns whom it saw."""
    seen = set()
    with contextlib.closing(open_socket(lab, "client", bind=(ip.any, 0))) as client:
        client.connect((ip.server_at(5), 53))
        for _ in range(times):
            client.send(b"name?")
            _, source = servant.recvfrom(100)
            servant.sendto(b"address", source)
            assert client.recv(100) == b"address"
            seen.add(source[0])
    return seen


@families
def test_dns_redirected_to_the_router(lab, ways, ip):
    lab.nft("router", redirect("redirect"))
    daemon = begin(lab)
    with contextlib.closing(open_socket(lab, "router", bind=(ip.router, 53))) as servant:
        assert ask(lab, ip, servant) == {ip.client}
    assert tcp_redirected(lab, ip) == ip.client
    assert ways.up(dport=53) == []
    assert daemon.json("flows", "--count")["flows"] == 0


def tcp_redirected(lab, ip):
    with contextlib.closing(listen(lab, "router", (ip.router, 53))) as listening:
        listening.settimeout(2)
        ours, theirs, seen = connect(lab, "client", listening, (ip.server_at(5), 53))
        with ours, theirs:
            theirs.sendall(b"address")
            assert ours.recv(100) == b"address"
    return seen[0]


@families
def test_dns_redirected_to_a_host_of_the_lan(lab, ways, ip):
    """As to a filter on a small machine: answers come back by the router, because it masquerades."""
    back = f"chain post {{ type nat hook postrouting priority srcnat; oifname lan0 ct status dnat masquerade; }}"
    lab.nft("router", redirect(f"dnat {ip.nft} to {ip.client2}") + f"\ntable inet back {{ {back}; }}")
    begin(lab)
    with contextlib.closing(open_socket(lab, "client2", bind=(ip.client2, 53))) as servant:
        assert ask(lab, ip, servant) == {ip.router}
    assert ways.up(dport=53) == []


@families
def test_dns_hijacked_to_an_outside_resolver(lab, ways, ip):
    """By the WAN that the flow's class wants, translated to its address; and by the other when it fails."""
    lab.nft("router", redirect(f"dnat {ip.nft} to {ip.server_at(3)}"))
    daemon = begin(lab)
    with contextlib.closing(open_socket(lab, "inet", bind=(ip.server_at(3), 53))) as servant:
        assert ask(lab, ip, servant) == {ip.wan(2)}
        assert ways.of(dport=53) == {(2, ip.wan(2))}
        assert {seen.ip.dst for seen in ways.up(dport=53)} == {ip.server_at(3)}
        lab.break_wan(2, "blackhole")
        daemon.wait_states(lte="down")
        ways.forget()
        assert ask(lab, ip, servant) == {ip.wan(1)}
        assert ways.of(dport=53) == {(1, ip.wan(1))}


@families
def test_a_hijacked_flow_moves(lab, ways, ip):
    """One and the same socket asks on, before and after its WAN fails."""
    lab.nft("router", redirect(f"dnat {ip.nft} to {ip.server_at(3)}"))
    daemon = begin(lab)
    lab.spawn("inet", "udp-server", "--bind", ip.server_at(3), "--port", 53)
    stream = udp_stream(lab, "--to", ip.server_at(5), "--port", 53, "--rate", 100)
    assert stream.records()[-1]["wan"] == ip.wan(2)
    lab.break_wan(2, "blackhole")
    daemon.wait_states(lte="down")
    wait_for(lambda: stream.records()[-1].get("wan") == ip.wan(1), 5, "the stream to move")
    assert ways.of(dport=53) == {(2, ip.wan(2)), (1, ip.wan(1))}


@families
def test_other_ports_are_not_hijacked(lab, ways, ip):
    lab.nft("router", redirect(f"dnat {ip.nft} to {ip.server_at(3)}"))
    begin(lab)
    assert udp(lab, ip) == tcp(lab, ip) == ip.wan(2)
    assert ways.of(dst=ip.server) == {(2, ip.wan(2))}
    assert fails(udp, lab, ip, to=ip.server_at(5), port=53)


def test_a_broken_ruleset_is_the_labs_fault(lab):
    """So that a ruleset above that nft refuses is seen."""
    with pytest.raises(LabError):
        lab.nft("router", "table inet t { chain c { no such thing } }")
