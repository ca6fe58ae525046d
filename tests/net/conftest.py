# SPDX-License-Identifier: GPL-2.0
"""
conftest.py: one lab for each module of network tests, as it came from the box for each test. A module says what
it wants of it by LAB = {"wans": 3, "options": ["--nat-none"]}.
"""

import os

import pytest

from lab import Lab


@pytest.fixture(scope="module")
def module_lab(request):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    name = request.module.__name__.removeprefix("test_").replace("_", "-")
    with Lab(f"wh-{name}-{os.getpid()}", **getattr(request.module, "LAB", {})) as one:
        yield one


@pytest.fixture
def lab(module_lab):
    """Healthy WANs, no traffic and no controller, before and after each test."""
    yield module_lab
    module_lab.quiet()
    module_lab.daemon.stop()
    module_lab.heal()
