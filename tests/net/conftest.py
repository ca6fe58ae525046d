# SPDX-License-Identifier: GPL-2.0
"""
conftest.py: one lab for each module of network tests, as it came from the box for each test. A module says what
it wants of it by LAB = {"wans": 3, "options": ["--nat-none"]}. And what several modules ask for in the same words.
"""

import os
import re

import pytest

import wire
from lab import Lab
from ways import Ways, remove_rules


# What shows again, in another way, what is shown already: run with WANHELM_LONG=1 only, and else told as deselected.
ONLY_AT_LENGTH = {
    "test_algorithms": "down",
    "test_bulk": "bypass|IPv6",
    "test_bytes": "no-offload|bypass",
    "test_expiry": "IPv6",
    "test_failover": "IPv6|bypass",
    "test_hairpin": "IPv6.*endpoint|IPv4.*address",
    "test_l3_devices": "^LAN-|first WAN|second WAN",
    "test_limits": "IPv6",
    "test_mtu": "no-offload",
    "test_programs": "no-offload",
    "test_rates": "IPv6",
    "test_restart": "bypass",
    "test_rfc_timers": "IPv6",
    "test_sla": "IPv6",
}


def is_at_length(item):
    pattern = ONLY_AT_LENGTH.get(item.module.__name__)
    return bool(pattern and hasattr(item, "callspec") and re.search(pattern, item.callspec.id))


def pytest_collection_modifyitems(config, items):
    """A module may say which combinations of its parameters mean nothing: senseless(name, params)."""

    def means_something(item):
        senseless = getattr(item.module, "senseless", None)
        return not (senseless and hasattr(item, "callspec") and senseless(item.originalname, item.callspec.params))

    items[:] = [item for item in items if means_something(item)]
    if os.environ.get("WANHELM_LONG") != "1":
        config.hook.pytest_deselected(items=[item for item in items if is_at_length(item)])
        items[:] = [item for item in items if not is_at_length(item)]


@pytest.fixture(scope="module")
def module_lab(request):
    if os.geteuid() != 0:
        pytest.skip("needs root, for the network namespaces")
    name = request.module.__name__.removeprefix("test_").replace("_", "-")
    with Lab(f"wh-{name}-{os.getpid()}", **getattr(request.module, "LAB", {})) as one:
        yield one


@pytest.fixture
def kept_lab(module_lab):
    """The same as `lab`, but a controller goes on for the next test: steering.running() takes it over."""
    yield module_lab
    module_lab.quiet()
    module_lab.heal()


@pytest.fixture
def lab(module_lab):
    """Healthy WANs, no traffic and no controller, before and after each test."""
    yield module_lab
    module_lab.quiet()
    module_lab.daemon.stop()
    module_lab.heal()


@pytest.fixture(scope="module")
def running_lab(module_lab):
    """One controller for all tests of a module: none of them changes what it decides."""
    wire.start(module_lab)
    return module_lab


@pytest.fixture(params=wire.FAMILIES, ids=str)
def family(request):
    return request.param


@pytest.fixture
def ways(lab):
    """What the providers see during a test."""
    with Ways(lab) as seen:
        yield seen


@pytest.fixture
def rules(lab):
    """The router's ruleset is empty again after each test: pytestmark = pytest.mark.usefixtures("rules")"""
    yield
    remove_rules(lab)
