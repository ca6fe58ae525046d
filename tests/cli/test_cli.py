# SPDX-License-Identifier: GPL-2.0
"""test_cli.py: the command from outside: exit status, output, what it asks of the controller."""
import json
import os
import pty
import subprocess

import pytest

from conftest import COMMAND

STATUS = {
    "ok": True,
    "wans": [
        {"name": "fiber", "device": "wan1", "index": 0, "state": "up", "since": "2024-02-29T12:00:00.000+00:00",
         "reason": "2 of 2 targets answer", "forced": None,
         "v4": {"state": "up", "address": "198.18.1.2", "gateway": "198.18.1.1"},
         "v6": {"state": "absent", "address": None, "gateway": None},
         "rtt_ms": 12.34, "jitter_ms": 0.5, "loss_ratio": 0.015, "tx_bps": 1234567, "rx_bps": 999,
         "tx_bytes": 10, "rx_bytes": 20, "flows": 321},
        {"name": "lte", "device": "wan2", "index": 1, "state": "down", "since": "2024-02-29T12:00:00.000+00:00",
         "reason": "bad\x1b[31m", "forced": None,
         "v4": {"state": "down", "address": None, "gateway": None}, "v6": {},
         "rtt_ms": None, "jitter_ms": None, "loss_ratio": None, "tx_bps": None, "rx_bps": None,
         "tx_bytes": 0, "rx_bytes": 0, "flows": 0}],
    "classes": [{"name": "default", "wans": [
        {"name": "fiber", "share": 1, "fresh": True, "keep": True, "why": "up"},
        {"name": "lte", "share": 0, "fresh": False, "keep": False, "why": "down"}]}],
    "daemon": {"version": "9.9", "pid": 4711, "uptime_s": 60, "heartbeat_age_ms": 3, "running": True},
}

RECORDS = [
    {"time": "2024-02-29T12:00:00.250+00:00", "event": "state", "wan": "fiber", "cause": "silence",
     "evidence": "nothing heard for 52 ms"},
    {"time": "2024-02-29T12:00:00.650+00:00", "event": "failover", "wan": "fiber", "class": "default",
     "cause": "probes", "detect_ms": 412.4, "flip_us": 0.7, "moved": 12, "reset": 3, "lost": 0,
     "first_answer_ms": 8.2},
]

USAGE = [
    ([], "usage: wanhelm VERB"),
    (["stauts"], 'unknown verb "stauts"; did you mean "status"?'),
    (["xyzzy"], 'unknown verb "xyzzy"\n'),
    (["wan"], "wan: one of list, show, down, up, drain, auto must follow"),
    (["wan", "dwon", "fiber"], 'wan: unknown verb "dwon"; did you mean "down"?'),
    (["wan", "show"], "wan show: NAME is missing"),
    (["wan", "show", "a", "b"], 'wan show: "b" is one argument too many'),
    (["status", "--jso"], 'status: unknown option --jso; did you mean "--json"?'),
    (["status", "--zzzzzz"], "status: unknown option --zzzzzz\n"),
    (["status", "-q"], "status: unknown option -q"),
    (["status", "--json=1"], "status: --json takes no argument"),
    (["status", "--top", "3"], "status: does not take --top"),
    (["flows", "--top"], "flows: --top needs an argument: N"),
    (["flows", "--top", "0"], 'flows: --top "0" is no number from 1 to 100000'),
    (["flows", "--src", "1.2.3"], 'flows: --src "1.2.3" is no address'),
    (["flows", "--src", "fd00::g"], 'flows: --src "fd00::g" is no address'),
    (["wan", "down", "fiber", "--for", "5"], 'wan down: "5" is no duration'),
    (["wan", "down", "fiber", "--for", "0s"], "wan down: --for must be longer than nothing"),
    (["wan", "auto", "fiber", "--for", "5m"], "wan auto: --for makes no sense here"),
    (["events", "--since", "soon"], 'events: --since "soon" is neither a duration'),
    (["help", "stat"], 'help: no verb is called "stat"'),
    (["explain-this"], 'unknown verb "explain-this"'),
]


@pytest.mark.parametrize("args,message", USAGE, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_usage_errors(wanhelm, args, message):
    status, out, err = wanhelm(*args)
    assert (status, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("verb", ["probe fiber --target icmp:1.1.1.1", "flows kill --wan lte",
                                  "report --month 2024-02",
                                  "drill fiber --for 10s", "top", "init", "confirm"])
def test_what_is_not_built_says_so(wanhelm, verb):
    status, out, err = wanhelm(*verb.split())
    assert (status, out) == (1, "")
    assert err.endswith(": not built yet\n")


@pytest.mark.parametrize("args", [["-h"], ["--help"], ["help"]])
def test_help_lists_every_verb(wanhelm, args):
    status, out, err = wanhelm(*args)
    assert (status, err) == (0, "")
    verbs = [v["name"] for v in json.loads(wanhelm("help", "--json")[1])["verbs"]]
    assert len(verbs) == 28
    for verb in verbs:
        assert f"\n  {verb}" in out


def test_help_of_a_verb(wanhelm):
    for args in (["help", "wan", "down"], ["wan", "down", "-h"], ["wan", "--help", "down", "--bogus"]):
        status, out, _ = wanhelm(*args)
        assert status == 0
        assert out.startswith("usage: wanhelm wan down NAME [OPTION…]\n")
        assert "--for DURATION" in out and "--watch" not in out


def test_version(wanhelm):
    status, out, _ = wanhelm("version", "--json")
    assert status == 0
    assert wanhelm("version")[1] == f"wanhelm {json.loads(out)['version']}\n"


def test_status_as_json(wanhelm, controller):
    controller.answers["status"] = STATUS
    status, out, err = wanhelm("status", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {k: v for k, v in STATUS.items() if k != "ok"}
    assert controller.requests == [{"verb": "status"}]


def test_status_as_text(wanhelm, controller):
    controller.answers["status"] = STATUS
    status, out, err = wanhelm("status")
    assert (status, err) == (0, "")
    lines = out.split("\n")
    assert lines[0].split() == ["WAN", "DEVICE", "STATE", "SINCE", "ADDRESS", "GATEWAY", "RTT", "JITTER", "LOSS",
                                "OUT", "IN", "FLOWS", "WHY"]
    fiber = lines[1].split()
    assert fiber[:3] == ["fiber", "wan1", "up"]
    assert " ".join(fiber[4:]) == ("198.18.1.2 198.18.1.1 12.3 ms 0.5 ms 1.5 % 1.2 Mbit/s 999 bit/s 321 "
                                   "2 of 2 targets answer")
    # nothing from outside steers the terminal
    assert "\x1b" not in out and lines[2].endswith("bad?[31m")
    # columns stand under their heads
    for head in ("STATE", "ADDRESS", "FLOWS", "WHY"):
        column = lines[0].index(head)
        assert all(line[column - 1] == " " and line[column] != " " for line in lines[1:3])
    assert any(line.split() == ["default", "fiber", "100", "%", "fiber"] for line in lines)
    assert "controller 9.9, pid 4711" in out


def test_status_has_a_line_for_the_other_family(wanhelm, controller):
    v4 = {"state": "down", "since": None, "reason": "3 bad rounds", "address": "198.18.1.2", "gateway": "198.18.1.1",
          "rtt_ms": None, "jitter_ms": None, "loss_ratio": 1}
    v6 = {"state": "up", "since": None, "reason": "fine", "address": "2001:db8:1::2", "gateway": "fe80::1",
          "rtt_ms": 12.3, "jitter_ms": 0.5, "loss_ratio": 0.015}
    controller.answers["status"] = dict(STATUS, wans=[dict(STATUS["wans"][0], v4=v4, v6=v6), STATUS["wans"][1]])
    heads, fiber, other, lte = wanhelm("status")[1].split("\n")[:4]
    assert fiber.split()[:3] == ["fiber", "wan1", "up"]
    assert fiber.split()[4:6] == ["2001:db8:1::2", "fe80::1"] and "321" in fiber.split()
    assert other.split() == ["down", "-", "198.18.1.2", "198.18.1.1", "-", "-", "100.0", "%", "3", "bad", "rounds"]
    assert other.index("down") == heads.index("STATE")
    assert lte.split()[0] == "lte"


def test_status_has_what_was_dropped(wanhelm, controller):
    slow = {"fragmented": 0, "expired": 2}
    controller.answers["status"] = dict(STATUS, drops={"leak": 5, "no-port": 0, "x\x1b": 1}, kernel={"kernel-ttl": 0},
                                        daemon=dict(STATUS["daemon"], slow=slow))
    lines = wanhelm("status")[1].split("\n")
    assert "dropped: leak 5, x? 1" in lines
    assert "left to the kernel: nothing" in lines
    assert "handed to the controller: expired 2" in lines


def test_wan_list(wanhelm, controller):
    controller.answers["status"] = STATUS
    assert json.loads(wanhelm("wan", "list", "--json")[1]) == {"wans": STATUS["wans"]}
    out = wanhelm("wan", "list")[1]
    assert "fiber" in out and "CLASS" not in out


def test_wan_show(wanhelm, controller):
    wan = dict(STATUS["wans"][0], targets=[{"target": "icmp:1.1.1.1", "state": "good", "rtt_ms": 12, "age_ms": 80},
                                           {"target": "tcp:1.0.0.1:443", "state": "unknown", "rtt_ms": None,
                                            "age_ms": None}])
    controller.answers["wan-show"] = {"ok": True, "wan": wan}
    assert json.loads(wanhelm("wan", "show", "fiber", "--json")[1]) == wan
    out = wanhelm("wan", "show", "fiber")[1]
    assert "state     up\n" in out and "quality   rtt 12.3 ms, jitter 0.5 ms, loss 1.5 %\n" in out
    assert "IPv4      up: 198.18.1.2 by 198.18.1.1 (-), rtt -, jitter -, loss -\n" in out
    assert "IPv6      absent: - by - (-), rtt -, jitter -, loss -\n" in out
    assert "icmp:1.1.1.1     good         12.0 ms  80.0 ms\n" in out
    assert "tcp:1.0.0.1:443  unknown      -        -\n" in out
    assert controller.requests[0] == {"verb": "wan-show", "name": "fiber"}


@pytest.mark.parametrize("args,request_", [
    (["down", "fiber"], {"hand": "down"}),
    (["up", "fiber"], {"hand": "up"}),
    (["drain", "fiber", "--yes"], {"hand": "drain", "yes": True}),
    (["auto", "fiber", "--dry-run"], {"hand": "auto", "dry_run": True}),
    (["down", "--reason", "works", "fiber", "--for=1500ms"], {"hand": "down", "for_s": 2, "reason": "works"}),
    (["--for", "10m", "down", "--", "fiber"], {"hand": "down", "for_s": 600}),
])
def test_the_hand(wanhelm, controller, args, request_):
    controller.answers["hand"] = {"ok": True, "message": "done so"}
    status, out, err = wanhelm("wan", *args)
    assert (status, out, err) == (0, "done so\n", "")
    assert controller.requests == [{"verb": "hand", "name": "fiber", **request_}]


def test_the_hand_tells_where_ssh_comes_in(wanhelm, controller):
    controller.answers["hand"] = {"ok": True, "message": ""}
    wanhelm("wan", "down", "fiber", env={"SSH_CONNECTION": "203.0.113.9 50000 198.18.1.2 22"})
    wanhelm("wan", "down", "fiber", env={"SSH_CONNECTION": "nonsense"})
    assert [r.get("ssh_address") for r in controller.requests] == ["198.18.1.2", None]


@pytest.mark.parametrize("exit_status", [1, 2])
def test_refusals_are_told(wanhelm, controller, exit_status):
    message = 'wan: no WAN is called "fibre"; did you mean "fiber"?'
    controller.answers["hand"] = {"ok": False, "error": message, "exit": exit_status}
    assert wanhelm("wan", "down", "fibre", "--json") == (exit_status, "", f"wanhelm: {message}\n")


def test_events(wanhelm, controller):
    controller.answers["events"] = {"ok": True, "events": RECORDS}
    status, out, err = wanhelm("events", "--json")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == RECORDS
    out = wanhelm("events")[1].splitlines()
    assert out[0].split(maxsplit=4) == ["2024-02-29T12:00:00.250+00:00", "state", "fiber", "-",
                                        "silence: nothing heard for 52 ms"]
    assert out[1].endswith("probes (detected in 412 ms, switched in 0.7 us, 12 flows moved, 3 reset, "
                           "0 packets lost, first answer after 8 ms)")
    assert controller.requests[0] == {"verb": "events", "follow": False}


def test_events_since(wanhelm, controller):
    controller.answers["events"] = {"ok": True, "events": []}
    wanhelm("events", "--since", "2024-02-29T13:00:00+01:00")
    assert controller.requests[0]["since"] == "2024-02-29T12:00:00.000+00:00"
    wanhelm("events", "--since", "10000d")
    assert "1990" < controller.requests[1]["since"] < "2024"


def test_events_follow(wanhelm, controller):
    past = [dict(RECORDS[0], wan=str(i)) for i in range(15)]
    controller.answers["events"] = [{"ok": True, "events": past}, RECORDS[1]]
    status, out, err = wanhelm("events", "-f", "--json")
    # the ten last and the one that followed; then the controller went
    assert [json.loads(line) for line in out.splitlines()] == past[5:] + [RECORDS[1]]
    assert status == 1 and "has hung up" in err
    assert controller.requests[0] == {"verb": "events", "follow": True}
    assert len(wanhelm("events", "-f", "--json", "--since", "5m")[1].splitlines()) == 16


def test_plain_verbs(wanhelm, controller):
    controller.answers["reload"] = {"ok": True, "message": "reloaded"}
    controller.answers["stop"] = {"ok": True, "message": "stopped"}
    controller.answers["metrics"] = {"ok": True, "text": "a 1\n# EOF\n"}
    assert wanhelm("reload") == (0, "reloaded\n", "")
    assert wanhelm("stop") == (0, "stopped\n", "")
    assert wanhelm("metrics") == (0, "a 1\n# EOF\n", "")
    assert json.loads(wanhelm("reload", "--json")[1]) == {"message": "reloaded"}


@pytest.mark.parametrize("answer,message", [
    ("nonsense", "is no controller"),
    ("[1]", "is no controller"),
    ([], "has hung up"),
    ({"ok": False}, "refused without saying why"),
    ({}, "refused without saying why"),
])
def test_strange_controllers(wanhelm, controller, answer, message):
    controller.answers["status"] = answer
    status, out, err = wanhelm("status")
    assert (status, out) == (1, "")
    assert message in err


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "wans": 7, "classes": [3], "daemon": {"running": True}},
                                    {"ok": True, "wans": [{"name": 1, "v4": 2}], "classes": None, "drops": 5,
                                     "kernel": [1]}])
def test_incomplete_answers_do_not_crash(wanhelm, controller, answer):
    for verb in ("status", "wan-show", "events", "metrics", "reload"):
        controller.answers[verb] = answer
    for args in (["status"], ["wan", "list"], ["wan", "show", "x"], ["events"], ["metrics"], ["reload"]):
        status, _, err = wanhelm(*args)
        assert status in (0, 1)
        assert "Sanitizer" not in err and "runtime error" not in err


@pytest.mark.parametrize("args", [["wan", "list"], ["wan", "show", "x"], ["events"], ["reload"], ["metrics"]])
def test_needs_a_controller(wanhelm, args):
    status, out, err = wanhelm(*args)
    assert (status, out) == (1, "")
    assert "no controller is running" in err and "control.sock" in err


@pytest.mark.parametrize("args,message", [
    (["status"], "nothing is loaded"),
    (["flows"], "nothing is loaded"),
    (["wan", "up", "x"], "nothing is loaded"),
    (["stop"], "nothing is pinned"),
    (["wan", "drain", "x"], "needs the controller"),
    (["wan", "auto", "x"], "needs the controller"),
    (["wan", "down", "x", "--for", "5m"], "--for needs the controller"),
    (["wan", "up", "x", "--reason", "r"], "--reason needs the controller"),
    (["wan", "up", "x", "--dry-run"], "--dry-run needs the controller"),
])
def test_without_controller_and_maps(wanhelm, args, message):
    status, out, err = wanhelm(*args)
    assert (status, out) == (1, "")
    assert message in err


def test_check(wanhelm, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("lan: [lan0]\nfirewall: bypass\nwan: {}\n")
    status, out, err = wanhelm("check", str(bad))
    assert (status, out) == (2, "")
    assert err.startswith(f"{bad}:3:1: ")
    status, out, _ = wanhelm("check", str(bad), "--json")
    assert status == 2
    assert json.loads(out)["ok"] is False and json.loads(out)["error"].startswith(f"{bad}:3:1: ")
    good = tmp_path / "good.yaml"
    good.write_text("lan: [lan0]\nfirewall: bypass\nwans:\n  fiber: {device: wan1}\n")
    assert wanhelm("check", str(good)) == (0, f"{good}: ok\n", "")
    assert json.loads(wanhelm("check", str(good), "--json")[1]) == {"file": str(good), "ok": True}
    assert wanhelm("check", str(tmp_path / "none.yaml"))[0] == 2


def test_full_output_is_a_failure(run_dir):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([COMMAND, "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "could not take everything" in done.stderr


def on_terminal(run_dir, *args, env):
    """What the command prints on a terminal."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment.update(env)
    child = subprocess.Popen([COMMAND, "--run-dir", str(run_dir), *args], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    out = b""
    try:
        while chunk := os.read(ours, 65536):
            out += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert child.wait(20) == 0
    return out.decode()


def test_colour_on_a_terminal_only(wanhelm, controller, run_dir):
    controller.answers["status"] = STATUS
    assert "\x1b" not in wanhelm("status", env={"TERM": "xterm"})[1]
    out = on_terminal(run_dir, "status", env={"TERM": "xterm"})
    assert "\x1b[32mup\x1b[0m" in out and "\x1b[31mdown\x1b[0m" in out
    assert "\x1b" not in on_terminal(run_dir, "status", env={"TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b" not in on_terminal(run_dir, "status", env={"TERM": "dumb"})


def test_watch(controller, run_dir):
    controller.answers["status"] = STATUS
    with subprocess.Popen([COMMAND, "--run-dir", str(run_dir), "status", "--watch", "--json"],
                          stdout=subprocess.PIPE, text=True) as child:
        first, second = json.loads(child.stdout.readline()), json.loads(child.stdout.readline())
        child.kill()
    assert first == second == {k: v for k, v in STATUS.items() if k != "ok"}
    assert len(controller.requests) >= 2
