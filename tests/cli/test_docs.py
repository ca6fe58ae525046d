# SPDX-License-Identifier: GPL-2.0
"""
test_docs.py: what `make install` brings and the documentation, held against the thing itself: verbs and options
against the programs' own help, keys against the parser's tables, fields against the headers, examples against
`wanhelm check`.
"""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import COMMAND, ROOT

DAEMON = os.path.join(os.path.dirname(COMMAND), "wanhelmd")
MAN = ROOT / "share/man"
PAGES = sorted(path.name for path in MAN.iterdir())
COMPLETION = ROOT / "share/completion/wanhelm.bash"
UNITS = sorted(path.name for path in (ROOT / "share").glob("*.service"))
HEADERS = sorted((ROOT / "include/wanhelm").glob("*.h"))
MAPS = (ROOT / "docs/maps.md").read_text()

GLOBAL = {"run-dir", "bpf-dir", "help"}


def output(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout


# --- the command ----------------------------------------------------------------------------------------------


def verbs(built):
    return {verb["name"] for verb in json.loads(output(COMMAND, "help", "--json"))["verbs"] if verb["built"] is built}


def options_in(help_text):
    return set(re.findall(r"^  (?:-.,|   ) --([a-z-]+)", help_text, re.M))


def section(page, name):
    """A section or subsection of a manual page's source."""
    found = re.search(rf"^\.S[hs] {re.escape(name)}\n(.*?)(?=^\.S[hs] |\Z)", page, re.M | re.S)
    assert found, f"there is no section {name}"
    return found[1]


def options_of(text):
    """The long options that are items of a list."""
    items = re.findall(r"^\.It (Fl .*)$", text, re.M)
    return {name for item in items for name in re.findall(r"(?<!-)-([a-z][a-z-]+)", item)}


def test_manual_has_every_verb_with_its_options():
    page = (MAN / "wanhelm.8").read_text()
    parts = re.split(r"^\.It Cm (.*)$", section(page, "VERBS"), flags=re.M)[1:]
    names = [re.split(" (?:Ar|Op) ", head)[0] for head in parts[::2]]
    told = dict(zip(names, parts[1::2]))
    assert set(told) == verbs(True)
    # the hand's verbs stand one under the other, and their options once, under the last
    for verb in ("wan down", "wan up", "wan drain"):
        assert options_of(told[verb]) == set()
        told[verb] = told["wan auto"]
    for verb, text in told.items():
        assert options_of(text) == options_in(output(COMMAND, "help", *verb.split())), verb
    assert options_of(section(page, "Options of every verb")) == GLOBAL
    assert options_in(output(COMMAND, "help")) == GLOBAL


def test_manual_names_what_is_not_built():
    text = section((MAN / "wanhelm.8").read_text(), "Not built yet")
    assert set(re.findall(r"^\.Cm (.*?) [,.]$", text, re.M)) == verbs(False)


def test_manual_has_the_controllers_options():
    page = section((MAN / "wanhelmd.8").read_text(), "DESCRIPTION")
    told = set(re.findall(r"--([a-z][a-z-]+)", output(DAEMON, "--help")))
    assert "bpf-dir" in told and options_of(page) == told


def complete(*words):
    """What the completion offers for the last of the words."""
    script = f"""
        source {COMPLETION}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _wanhelm
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return set(output("bash", "-c", script, "bash", COMMAND, *words).split())


def test_completion_has_every_verb_and_option():
    built = verbs(True)
    assert complete("") == {verb.split()[0] for verb in built}
    assert complete("help", "") == complete("")
    for group in ("wan", "class"):
        second = {verb.split()[1] for verb in built if verb.startswith(group + " ")}
        assert complete(group, "") == second == complete("help", group, "")
    assert complete("wan", "d") == {"down", "drain"}
    for verb in built:
        own = options_in(output(COMMAND, "help", *verb.split()))
        assert complete(*verb.split(), "--") == {f"--{option}" for option in own | GLOBAL}, verb
    assert complete("nonsense", "") == complete("status", "") == set()


def test_completion_has_names(controller, run_dir):
    wans = [{"name": "fiber", "device": "a"}, {"name": "lte", "device": ""}]
    controller.answers["status"] = {"ok": True, "wans": wans, "classes": [{"name": "default", "wans": []}]}
    where = "--run-dir", str(run_dir)
    assert complete(*where, "wan", "down", "") == {"fiber", "lte"}
    assert complete(*where, "flows", "--wan", "f") == {"fiber"}
    assert complete(*where, "flows", "--class", "") == {"default"}
    assert complete(*where, "wan", "down", "fiber", "") == set()


# --- the configuration ----------------------------------------------------------------------------------------


def key_tables():
    """Table → (keys that are built, keys that are not), of the parser; a table in a function has its name."""
    tables = {}
    for path in sorted((ROOT / "user/conf").glob("*.c")):
        source = path.read_text()
        tables.update(re.findall(r"^static const struct wh_conf_key (\w+)\[\] = \{\n(.*?)^\};", source, re.M | re.S))
        for function, body in re.findall(r"^(?:static )?int (\w+)\(.*?^\{\n(.*?)^\}", source, re.M | re.S):
            own = re.search(r"struct wh_conf_key \w+\[\] = \{(.*?)\};", body, re.S)
            if own:
                tables[function] = own[1]
    return {name: (set(re.findall(r'\.name = "([^"]+)"', text)), set(re.findall(r'WH_CONF_LATER\("([^"]+)"\)', text)))
            for name, text in tables.items()}


def keys_told(page):
    """Table → (keys in its list, keys under "not built yet"), of the manual page."""
    built, later = {}, {}
    for kind, table, text in re.findall(r'^\.\\" (table|later): (\w+)\n(.*?)(?=^\.\\" |^\.El|\Z)', page,
                                        re.M | re.S):
        if kind == "table":
            built[table] = set(re.findall(r"^\.It Ic ([a-z0-9-]+)$", text, re.M))
        else:
            # an item's own keys stand before its first ";"
            lines = re.findall(r"^\.It (?!Anywhere).*\n\.Ic (.*)$", text, re.M)
            later[table] = {key for line in lines for key in re.findall(r"[a-z0-9-]+", line)}
    return {table: (built.get(table, set()), later.get(table, set())) for table in built | later}


def test_manual_has_every_key():
    tables, told = key_tables(), keys_told((MAN / "wanhelm.yaml.5").read_text())
    assert {"top_keys", "wan_keys", "profile_keys", "class_keys", "read_lan", "read_mark"} <= set(tables)
    assert told == tables


def test_example_has_every_key_that_is_built():
    example = (ROOT / "share/wanhelm.yaml.example").read_text()
    for table, (built, _) in key_tables().items():
        for key in built:
            assert re.search(rf"(?<![\w-]){key}:", example), f"{table}: {key}"


def examples():
    found = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "docs/examples").glob("*.yaml")}
    found["share/wanhelm.yaml.example"] = (ROOT / "share/wanhelm.yaml.example").read_text()
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)):
        found[f"README.md:{number}"] = text
    page = section((MAN / "wanhelm.yaml.5").read_text(), "EXAMPLES")
    for number, text in enumerate(re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", page, re.M | re.S)):
        found[f"wanhelm.yaml.5:{number}"] = text
    return found


def test_there_are_examples():
    kinds = {re.split(r"[:/]", name)[0] for name in examples()}
    assert kinds == {"docs", "share", "README.md", "wanhelm.yaml.5"}


@pytest.mark.parametrize("name", sorted(examples()))
def test_example_loads(wanhelm, tmp_path, name):
    file = tmp_path / "example.yaml"
    file.write_text(examples()[name])
    assert wanhelm("check", str(file)) == (0, f"{file}: ok\n", "")


# --- the maps -------------------------------------------------------------------------------------------------


def without_comments(path):
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)


def structs():
    """"struct wh_x" → its fields, anonymous structs inside of it and lists of fields taken as part of it."""
    found = {}
    for path in HEADERS:
        text = without_comments(path)
        for name, fields in re.findall(r"^#define (WH_\w+_FIELDS)\s((?:.*\\\n)*.*)", text, re.M):
            text = re.sub(rf"^\t{name}$", fields.replace("\\\n", "\n").replace("\\", "\\\\"), text, flags=re.M)
        for name, body in re.findall(r"^((?:struct|union) wh_\w+) \{\n(.*?)^\};", text, re.M | re.S):
            body = re.sub(r"\bstruct \{|\n\s*\};", "", body)
            declared = [part.strip() for part in body.split(";")]
            found[name] = {re.sub(r"\s*\[.*", "", part, flags=re.S).split()[-1] for part in declared if part}
    return found


def test_every_field_is_told():
    told, fields = set(), structs()
    for head, text in re.findall(r"^### (`(?:struct|union) [^\n]*)\n(.*?)(?=^##)", MAPS, re.M | re.S):
        names = re.findall(r"`((?:struct|union) wh_\w+)`", head)
        rows = re.findall(r"^\| (`.*?) \|", text, re.M)
        # of two families' structs, which are told together, all fields of both
        assert {field for row in rows for field in re.findall(r"`([a-z]\w*)`", row)} == set().union(
            *(fields[name] for name in names)), head
        told.update(names)
    assert told == set(fields)


def test_every_number_is_told():
    for path in HEADERS:
        text = without_comments(path)
        names = set(re.findall(r"^#define (WH_\w+)\s", text, re.M))
        names |= {name for body in re.findall(r"^enum wh_\w+ \{(.*?)\}", text, re.M | re.S)
                  for name in re.findall(r"\b(WH_\w+)", body)}
        # lists that hold names by X(), and ends of lists
        names -= {"WH_REASONS", "WH_WAN_STATES", "WH_REASON_FIRST_KERNEL", "WH_WAN_", "WH_REASON_"}
        names = {name for name in names if not name.endswith(("_COUNT", "_FIELDS"))}
        missing = {name for name in names if f"`{name}`" not in MAPS}
        assert not missing, path.name


def test_every_reason_and_state_is_told():
    reasons = re.findall(r'X\(\w+, "([^"]+)",[\s\\]+"([^"]+)"\)', (ROOT / "include/wanhelm/reason.h").read_text())
    assert len(reasons) > 10
    for number, (name, text) in enumerate(reasons):
        assert f"| {number} | `{name}` | {text} |" in MAPS
    states = re.findall(r'X\([A-Z_]+, "([^"]+)"\)', (ROOT / "include/wanhelm/wan.h").read_text())
    assert len(states) == 9
    told = " ".join(section((MAN / "wanhelm.8").read_text(), "STATES OF A WAN").split())
    for number, state in enumerate(states):
        assert f"{number} {state}" in " ".join(MAPS.split())
        assert re.search(rf"(Cm|,) {state}\b", told), state


def test_every_map_is_told():
    files = "maps.h", "bound.h", "fast_xdp.h", "steer_xdp.bpf.c"
    headers = "".join((ROOT / "bpf" / name).read_text() for name in files)
    maps = re.findall(r"^\} (wh_\w+) SEC\(\"\.maps\"\);", headers, re.M)
    twice = re.findall(r"^#define (wh_\w+) OF_FAMILY\(", (ROOT / "bpf/family.h").read_text(), re.M)
    pinned = {f"{name}{digit}" for name in maps for digit in ("46" if name in twice else [""])}
    assert {"wh_steer", "wh_flows4", "wh_flows6"} <= pinned
    assert set(re.findall(r"^\| `(wh_\w+)` \|", section_of_maps("All maps"), re.M)) == pinned


def section_of_maps(name):
    return re.search(rf"^## {name}\n(.*?)(?=^## )", MAPS, re.M | re.S)[1]


# --- as files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_manual_is_sound(page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", MAN / page], capture_output=True, text=True, timeout=20,
                          check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_unit_is_sound(tmp_path, name):
    for other in UNITS:
        text = (ROOT / "share" / other).read_text().replace("/usr/local/sbin/wanhelmd", DAEMON)
        assert re.search(rf"^ExecStart={DAEMON}( --boot)?$", text, re.M)
        (tmp_path / other).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / name], capture_output=True, text=True,
                          timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
