# SPDX-License-Identifier: GPL-2.0
"""conftest.py: a stand-in for the controller, so that the command is tested alone, against answers that are known."""
import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = os.environ.get("WANHELM", str(ROOT / "build" / "wanhelm"))


class Controller:
    """Answers each verb with what `answers` holds for it (a dict, or a list of lines); keeps the requests."""

    def __init__(self, run_dir):
        self.answers = {}
        self.requests = []
        self.run_dir = run_dir
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(run_dir / "control.sock"))
        self.socket.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile("r") as lines:
                line = lines.readline()
                request = json.loads(line)
                self.requests.append(request)
                answer = self.answers.get(request["verb"], {"ok": False, "error": "no such verb", "exit": 2})
                for part in answer if isinstance(answer, list) else [answer]:
                    text = part if isinstance(part, str) else json.dumps(part)
                    client.sendall(text.encode() + b"\n")

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path


@pytest.fixture
def controller(run_dir):
    c = Controller(run_dir)
    yield c
    c.close()


@pytest.fixture
def wanhelm(run_dir):
    """Run the command; returns (exit status, standard output, standard error)."""

    def run(*args, env=None, timeout=20):
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "SSH_CONNECTION")}
        environment["TZ"] = "UTC0"
        environment.update(env or {})
        done = subprocess.run(
            [COMMAND, "--run-dir", str(run_dir), "--bpf-dir", str(run_dir / "no-bpf"), *args],
            capture_output=True, text=True, timeout=timeout, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr

    return run
