# SPDX-License-Identifier: GPL-2.0
"""
What is in the way at the start is told in one clear line with the right exit status, and nothing is left behind
or disturbed: privilege, bpf file system, hooks, run directory, kernel, configuration, devices, schema.
What comes and goes while it runs is test_devices.py's.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import native
import pytest

from held import bpftool, lookup
from inside import open_socket
from lab import BPFFS, BUILD, SERVER, wait_for, wan_address
from steering import config, start

LAB = {"wans": 2}

FAILURE, USAGE = 1, 2
NOBODY = 65534
# of enum bpf_prog_type
SCHED_CLS, SYSCALL = 3, 31
CLSACT_PRIORITY = 0x5748  # IPv6: the next


class Start:
    """A start of wanhelmd that should fail, with places of its own."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{lab.name}-refused."))
        self.folder.chmod(0o755)
        os.chown(self.folder, NOBODY, NOBODY)
        self.run_dir, self.bpf_dir = self.folder / "run", BPFFS / f"{lab.name}-refused"
        self.config = self.folder / "wanhelm.yaml"
        self.config.write_text(config())

    def run(self, prefix=(), **environment):
        """(exit status, what it said)"""
        places = ["-c", self.config, "--run-dir", self.run_dir, "--bpf-dir", self.bpf_dir]
        environment |= {"STATE_DIRECTORY": str(self.folder)}
        command = self.lab.command("router", *prefix, BUILD / "wanhelmd", *places)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
        ) as process:
            try:
                said, _ = process.communicate(timeout=20)  # loading alone takes seconds on a busy machine
            except subprocess.TimeoutExpired:
                process.terminate()
                said, _ = process.communicate()
                pytest.fail(f"it was not refused, and said:\n{said}")
        return process.returncode, said.strip()

    def refused(self, status, complaint, prefix=(), **environment):
        """One line says what is wrong; before it, states may have been told."""
        code, said = self.run(prefix, **environment)
        lines = [line for line in said.split("\n") if not line.startswith("state ")]
        assert len(lines) == 1, said
        assert re.search(complaint, lines[0]), said
        assert code == status, said
        assert not self.run_dir.exists() or not list(self.run_dir.iterdir())

    def clean(self):
        """Also if it was not refused."""
        if self.bpf_dir.exists():
            places = "--run-dir", self.run_dir, "--bpf-dir", self.bpf_dir
            self.lab.run("router", BUILD / "wanhelm", *places, "stop", check=False)
        shutil.rmtree(self.bpf_dir, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def attempt(lab):
    one = Start(lab)
    yield one
    one.clean()


def links(lab):
    return lab.run("router", "ip", "-o", "link", "show").stdout.count("\n")


# --- privilege, bpf file system, kernel --------------------------------------------------------------------------


def test_no_privilege(attempt):
    as_nobody = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups")
    attempt.refused(FAILURE, "needs root|no privilege", as_nobody)
    assert not attempt.bpf_dir.exists()


def test_run_dir_of_another(attempt):
    as_nobody = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups")
    os.chown(attempt.folder, 0, 0)
    attempt.refused(FAILURE, f"{attempt.run_dir}.*Permission denied", as_nobody)


def test_no_bpf_file_system(attempt):
    without = ("unshare", "--mount", "sh", "-c", f'while umount {BPFFS} 2>/dev/null; do :; done; exec "$@"', "sh")
    attempt.refused(FAILURE, f"{BPFFS} is not a bpf file system.*mount -t bpf", without)


def test_bpf_dir_elsewhere(attempt):
    attempt.bpf_dir = attempt.folder / "here"
    attempt.refused(FAILURE, f"{attempt.folder} is not a bpf file system")


@pytest.fixture(scope="module")
def older_kernel():
    """The library that makes bpf(2) refuse."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(native.build("refuse_bpf.c", folder, "-shared", "-fPIC", "-ldl"))


@pytest.mark.parametrize("kind, name", [(SCHED_CLS, "tc programs"), (SYSCALL, "syscall programs.*5.14")])
def test_kernel_lacks_a_program_type(lab, attempt, older_kernel, kind, name):
    before = links(lab)
    attempt.refused(FAILURE, f"this kernel .* lacks {name}", LD_PRELOAD=older_kernel, REFUSE=f"prog:{kind}")
    assert not attempt.bpf_dir.exists()
    assert links(lab) == before


def test_kernel_without_tcx(lab, older_kernel, monkeypatch):
    """Before Linux 6.6: clsact filters do it."""
    monkeypatch.setenv("LD_PRELOAD", older_kernel)
    monkeypatch.setenv("REFUSE", "attach:46,attach:47")
    daemon = start(lab)
    assert {path.name for path in (daemon.bpf_dir / "links").iterdir()} == {"bind4", "bind6"}
    assert "wh_lan_in" in lab.run("router", "tc", "filter", "show", "dev", "lan0", "ingress").stdout
    server = open_socket(lab, "inet", bind=(SERVER, 9000))
    open_socket(lab, "client").sendto(b"?", (SERVER, 9000))
    assert server.recvfrom(10)[1][0] == wan_address(1)


# --- another one -------------------------------------------------------------------------------------------------


def still_works(lab, daemon):
    """It judges its WANs as before."""
    lab.break_wan(1, "blackhole")
    daemon.wait_states(5, fiber="down")
    lab.heal(1)


def test_second_on_the_same_devices(lab, attempt):
    daemon = start(lab)
    before = links(lab)
    attempt.refused(FAILURE, "(lan0|wan1): its tc .* hook is taken by another wanhelm")
    assert not attempt.bpf_dir.exists()
    assert links(lab) == before
    still_works(lab, daemon)


def test_second_in_the_same_run_dir(lab, attempt):
    daemon = start(lab)
    attempt.run_dir = daemon.run_dir
    code, said = attempt.run()
    assert (code, said) == (FAILURE, f"error: {daemon.run_dir}: another controller runs there")
    assert not attempt.bpf_dir.exists()
    still_works(lab, daemon)


def test_second_on_the_same_maps(lab, attempt):
    """With a run directory of its own: they would undo one another's work."""
    daemon = start(lab)
    attempt.bpf_dir = daemon.bpf_dir
    attempt.refused(FAILURE, f"{daemon.bpf_dir}.*another controller|another controller.*{daemon.bpf_dir}")
    assert daemon.events("attach") == []
    still_works(lab, daemon)


FOREIGN = """
__attribute__((section("tc"), used)) int foreign(void *skb) { return -1; }
char licence[] __attribute__((section("license"), used)) = "GPL";
"""


@pytest.fixture
def foreign_filter(lab, attempt):
    """Somebody else's filter in our place among those of lan0."""
    source, program = attempt.folder / "foreign.c", attempt.folder / "foreign.o"
    source.write_text(FOREIGN)
    subprocess.run(["clang", "-O2", "-target", "bpf", "-c", source, "-o", program], check=True)
    lab.run("router", "tc", "qdisc", "replace", "dev", "lan0", "clsact")
    ours = ("dev", "lan0", "ingress", "prio", CLSACT_PRIORITY, "handle", 1)
    lab.run("router", "tc", "filter", "add", *ours, "bpf", "da", "obj", program, "sec", "tc")
    yield lambda: lab.run("router", "tc", "filter", "show", "dev", "lan0", "ingress").stdout
    lab.run("router", "tc", "qdisc", "delete", "dev", "lan0", "clsact", check=False)


def test_foreign_filter_in_our_place(lab, attempt, foreign_filter):
    before = foreign_filter()
    assert "foreign" in before
    taken = f"lan0: its tc ingress hook is taken.*handle 1, priority {CLSACT_PRIORITY} or {CLSACT_PRIORITY + 1}"
    attempt.refused(FAILURE, taken, WANHELM_TC="clsact")
    assert foreign_filter() == before
    assert not attempt.bpf_dir.exists()
    for device in ("wan1", "wan2"):
        for way in ("ingress", "egress"):
            assert "wh_" not in lab.run("router", "tc", "filter", "show", "dev", device, way).stdout


# --- configuration and devices -----------------------------------------------------------------------------------


def test_no_configuration_file(attempt):
    attempt.config = attempt.folder / "none.yaml"
    attempt.refused(USAGE, f"{attempt.config}.*: No such file")


def test_configuration_that_cannot_be_read(attempt):
    attempt.config.unlink()
    attempt.config.mkdir()
    attempt.refused(USAGE, f"{attempt.config}.*: Is a directory")


def test_wrong_configuration(attempt):
    attempt.config.write_text(config().replace("wan2}", "wan1}"))
    attempt.refused(USAGE, r"wanhelm.yaml:\d+:\d+: .*wan1")
    assert not attempt.bpf_dir.exists()


def test_bridge_port_as_lan(attempt):
    attempt.config.write_text(config().replace("[lan0]", "[port-client2]"))
    attempt.refused(USAGE, "port-client2 is a port of the bridge lan0")
    assert not attempt.bpf_dir.exists()


# --- pinned maps -------------------------------------------------------------------------------------------------


def test_schema_of_another_version(lab):
    """What another version left is neither used nor replaced in silence, and its data plane goes on."""
    daemon = start(lab)
    server = open_socket(lab, "inet", bind=(SERVER, 9001))
    client = open_socket(lab, "client")
    client.sendto(b"before", (SERVER, 9001))
    seen = server.recvfrom(10)[1]
    daemon.end()
    meta = daemon.bpf_dir / "wh_meta"
    changed = bytes([99]) + lookup("pinned", meta)[1:]
    bpftool("map", "update", "pinned", meta, "key", 0, 0, 0, 0, "value", *changed)
    told = daemon.cli("flows", check=False)
    assert (told.returncode, told.stderr.count("\n")) == (FAILURE, 1)
    assert "of another version" in told.stderr

    second = Start(lab)
    try:
        second.bpf_dir = daemon.bpf_dir
        second.refused(FAILURE, f"{daemon.bpf_dir} are of schema 99.*schema [0-9]+:.*wanhelm stop")
    finally:
        second.bpf_dir = BPFFS / "none"
        second.clean()
    assert lookup("pinned", meta) == changed
    client.sendto(b"after", (SERVER, 9001))
    assert server.recvfrom(10) == (b"after", seen)
    daemon.cli("stop")
    wait_for(lambda: not daemon.bpf_dir.exists(), what="the pins to be gone")
