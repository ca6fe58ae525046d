# SPDX-License-Identifier: GPL-2.0
"""
boot: closed. While no data plane is there, nothing of the LAN's leaves by a WAN; while there is one, the kernel's
firewall is as ever. What leaves is looked at behind the router, which forwards and translates nothing by itself.
"""

import contextlib
import itertools
import signal

import pytest

from inside import open_socket
from lab import BUILD, FAMILIES
from steering import config, start
from ways import OUR_TABLE, SERVICE, Ways, remove_rules, settle, tables, udp

LAB = {"wans": 2}

CLOSED = "inet wanhelm_boot"

ports = itertools.count(42000)


@pytest.fixture
def ways(lab):
    remove_rules(lab)  # the last test's controller may have left it closed
    with Ways(lab) as seen:
        yield seen


def leaves_unsteered(lab, ways):
    """{IP: whether a client's packet is seen behind the router with the client's own address}, for both alike."""
    port = next(ports)
    for ip in FAMILIES:
        with contextlib.closing(open_socket(lab, "client", bind=(ip.any, port))) as sock:
            for _ in range(3):
                sock.sendto(b"?", (ip.server, SERVICE))
    found = settle(lab, lambda: {seen.ip.version for seen in ways.up(sport=port)} == {4, 6})
    assert found or ways.up(sport=port) == []
    return found


def boot(lab, word):
    """`wanhelmd --boot`, as the unit for the beginning does it."""
    lab.daemon.config.write_text(config(more=f"boot: {word}\n"))
    return lab.run("router", BUILD / "wanhelmd", "--boot", "-c", lab.daemon.config, "--bpf-dir", lab.daemon.bpf_dir)


def assert_steers(lab, ways):
    for ip in FAMILIES:
        assert udp(lab, ip) == ip.wan(1)
    assert tables(lab) == [OUR_TABLE]
    assert not leaves_unsteered(lab, ways)


def test_open_is_the_default(lab, ways):
    assert leaves_unsteered(lab, ways)
    daemon = start(lab)
    assert_steers(lab, ways)
    daemon.cli("stop")
    assert tables(lab) == []
    assert leaves_unsteered(lab, ways)


def test_closed_before_the_start_and_after_the_stop(lab, ways):
    assert boot(lab, "closed").stdout == ""
    assert tables(lab) == [CLOSED]
    assert not leaves_unsteered(lab, ways)
    daemon = start(lab, more="boot: closed\n")
    assert_steers(lab, ways)
    daemon.cli("stop")
    assert tables(lab) == [CLOSED]
    assert not leaves_unsteered(lab, ways)
    # not between LANs, and not the router's own
    assert udp(lab, FAMILIES[0], part="router") == FAMILIES[0].wan(1)
    daemon.process.wait(5)
    start(lab, more="boot: closed\n")
    assert_steers(lab, ways)


def test_opened_again(lab, ways):
    boot(lab, "closed")
    boot(lab, "open")
    assert tables(lab) == []
    assert leaves_unsteered(lab, ways)
    boot(lab, "closed")
    daemon = start(lab)
    assert_steers(lab, ways)
    daemon.cli("stop")
    assert leaves_unsteered(lab, ways)


def test_a_controller_that_ends_closes_nothing(lab, ways):
    """The data plane is there still, also for flows that are new; and whoever takes it out closes."""
    daemon = start(lab, more="boot: closed\n")
    daemon.end()
    assert_steers(lab, ways)
    boot(lab, "closed")  # as before each start of the unit
    assert_steers(lab, ways)
    start(lab, more="boot: closed\n")
    daemon.end(signal.SIGKILL)
    assert_steers(lab, ways)
    daemon.cli("stop")
    assert tables(lab) == [CLOSED]
    assert not leaves_unsteered(lab, ways)


def test_a_reload_tells_what_the_stop_does(lab, ways):
    daemon = start(lab)
    daemon.config.write_text(config(more="boot: closed\n"))
    daemon.cli("reload")
    assert_steers(lab, ways)
    daemon.cli("stop")
    assert tables(lab) == [CLOSED]
    assert not leaves_unsteered(lab, ways)


def test_a_start_that_fails_leaves_it_closed(lab, ways, tmp_path):
    file = tmp_path / "wanhelm.yaml"
    file.write_text(config(more="boot: closed\n"))
    command = [BUILD / "wanhelmd", "-c", file, "--run-dir", tmp_path, "--bpf-dir", tmp_path / "no-bpffs"]
    done = lab.run("router", "env", f"STATE_DIRECTORY={tmp_path}", *command, check=False)
    assert done.returncode == 1
    assert "is not a bpf file system" in done.stderr
    assert tables(lab) == [CLOSED]
    assert not leaves_unsteered(lab, ways)
