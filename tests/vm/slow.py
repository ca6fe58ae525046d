# SPDX-License-Identifier: GPL-2.0
"""
slow.py: the network tests' lab in an emulated machine, where everything takes its time: nothing in tests/vm is about
how long a thing takes.
"""

import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
pytest.register_assert_rewrite("links")
import lab as labs  # noqa: E402  pylint: disable=wrong-import-position
from lab import FAMILIES, Lab, wait_for  # noqa: E402  pylint: disable=wrong-import-position
from steering import all_up  # noqa: E402  pylint: disable=wrong-import-position

PATIENCE_S = 120
SLOWNESS = 8

families = pytest.mark.parametrize("ip", FAMILIES, ids=str)


def wait_long(condition, timeout_s=10, *args, **kwargs):
    return wait_for(condition, timeout_s * SLOWNESS, *args, **kwargs)


@contextlib.contextmanager
def slow_lab(name, wans=2, options=()):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labs, "wait_for", wait_long)
        patch.setattr(labs, "CONTROL_S", labs.CONTROL_S * SLOWNESS)
        with Lab(f"{name}-{os.getpid()}", wans, options) as one:
            yield one


def wait_up(daemon, *names):
    wait_for(lambda: all_up(daemon, *names), PATIENCE_S, f"{' and '.join(names) or 'all WANs'} to be up")
