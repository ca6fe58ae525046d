# SPDX-License-Identifier: GPL-2.0
"""
The router on a stick: its LAN and two WANs are VLANs of one device. Without offload, so that their tags stand in the
packets.
"""

import slow  # noqa: F401  pylint: disable=unused-import
from links import (  # noqa: F401  pylint: disable=unused-import
    healed, lab, pytest_generate_tests, test_bulk, test_bytes, test_failover_from_ethernet, test_failover_to_ethernet,
    test_own_traffic, test_size,
)

LAB = {
    "options": ["--lan2", "--vlan", "lan2=trunk", "--vlan", "wan1=trunk", "--vlan", "wan3=trunk", "--no-offload"],
    "wans": 3,
    "part": "client3",
    "sizes": {1: 1500, 3: 1500},
}
