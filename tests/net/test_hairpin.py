# SPDX-License-Identifier: GPL-2.0
"""
Clients that reach each other by their external ends: in each mode of the firewall and each filtering, what the
user's rules see of it, and how long it lasts. The RFCs' own rows are in test_rfc_mapping.py and test_rfc_npt.py.
"""

import contextlib
import socket

import pytest

from inside import is_silent, open_socket
from lab import wait_for
from steering import flows
from wire import OPEN, Flow, dial, exchange, reused, serve, settings, start
from ways import counters, remove_rules, shown_again

LAB = {"wans": 2, "options": ["--no-offload"]}
pytestmark = pytest.mark.usefixtures("rules")

filterings = pytest.mark.parametrize("wan", ["", OPEN], ids=["address-and-port", "endpoint-independent"])
modes = pytest.mark.parametrize("mode", ["kernel", "untracked", "bypass"])

# From LAN to LAN by the ends that hosts have inside, and nothing from a WAN.
COUNTED = """
table inet counting {
	counter between {}
	counter others {}
	chain f {
		type filter hook forward priority 10;
		iifname lan0 oifname lan0 %s saddr %s %s daddr %s counter name between accept
		ip saddr 198.18.0.0/16 counter name others
		ip6 saddr 2001:db8::/32 counter name others
	}
}"""


@pytest.fixture
def pair(lab):
    """pair(family): a socket of each client's and one of a server's, and as whom the server knows the two."""
    with contextlib.ExitStack() as stack:

        def make(family, other="client2"):
            far = stack.enter_context(contextlib.closing(serve(lab, family)))
            two = [
                stack.enter_context(contextlib.closing(Flow(lab, family, part)))
                for part in ("client", other)
            ]
            return two, [one.meet(far) for one in two]

        yield make


def with_mode(mode, wan):
    return settings(wan=wan).replace("firewall: kernel", f"firewall: {mode}")


def meet(two, ends, wan):
    """Both ways; with filtering each has to have sent before it is sent to."""
    one, other = two
    if wan != OPEN:
        other.say(b"opens", ends[0])
        assert is_silent(one.sock)
    for n in range(3):
        one.say(b"to %d" % n, ends[1])
        assert other.hear() == (b"to %d" % n, ends[0])
        other.say(b"back %d" % n, ends[0])
        assert one.hear() == (b"back %d" % n, ends[1])


@filterings
@modes
def test_in_each_mode(lab, pair, family, wan, mode):
    start(lab, with_mode(mode, wan))
    meet(*pair(family), wan)


@filterings
@modes
def test_to_oneself(lab, pair, family, wan, mode):
    start(lab, with_mode(mode, wan))
    meet(*pair(family, "client"), wan)


@filterings
def test_to_the_very_same_end(lab, pair, family, wan):
    start(lab, settings(wan=wan))
    (one, _), (end, _) = pair(family)
    one.say(b"to me", end)
    assert one.hear() == (b"to me", end)


def listener(lab, family, server):
    """A client's listening socket at a port that it has spoken from, and its end outside."""
    ours, theirs, end = dial(lab, family, server, "client2")
    inside = reused(lab, family, "client2", ours.getsockname()[1])
    inside.listen(4)
    ours.close(), theirs.close()
    return inside, end


@modes
def test_tcp_in_each_mode(lab, family, mode):
    """And once more from the same port, which is a new session to the firewall."""
    start(lab, with_mode(mode, OPEN))
    with contextlib.closing(serve(lab, family, kind=socket.SOCK_STREAM)) as server:
        inside, end = listener(lab, family, server)
        with inside:
            for _ in range(2):
                ours = open_socket(lab, "client", socket.SOCK_STREAM, bind=(family.client, 25000))
                ours.connect(end)
                theirs, seen = inside.accept()
                theirs.settimeout(2)
                assert seen[:2] == (family.wan(1), 25000)
                exchange(ours, theirs)
                theirs.close()  # who closes first waits; the client's port is free
                assert ours.recv(10) == b""
                ours.close()


# --- the user's rules --------------------------------------------------------------------------------------------


@filterings
def test_rules_see_both_as_they_are_inside(lab, pair, family, wan):
    """The first packets, from LAN to LAN; nothing passes them from a WAN or with an external end."""
    start(lab, settings(wan=wan))
    two, ends = pair(family)
    lab.nft("router", COUNTED % (family.nft, family.client, family.nft, family.client2))
    meet(two, ends, wan)
    assert counters(lab) == {"between": 1, "others": 0}


@filterings
def test_rules_forbid(lab, pair, family, wan):
    """Nothing gets through and no flow stands; without the rules it does."""
    daemon = start(lab, settings(wan=wan))
    two, ends = pair(family)
    with shown_again(daemon):
        lab.nft("router", "table inet bars { chain f { type filter hook forward priority 0; oifname lan0 drop; }; }")
    for _ in range(2):
        two[0].say(b"no", ends[1])
        two[1].say(b"no", ends[0])
    assert is_silent(two[0].sock) and is_silent(two[1].sock)
    assert not flows(daemon, dst=family.wan(1))
    remove_rules(lab)
    meet(two, ends, wan)


@filterings
def test_rules_forbid_what_has_begun(lab, pair, family, wan):
    """After a change of the ruleset these flows, too, are shown once more."""
    daemon = start(lab, settings(wan=wan))
    two, ends = pair(family)
    meet(two, ends, wan)
    with shown_again(daemon):
        lab.nft("router", "table inet bars { chain f { type filter hook forward priority 0; oifname lan0 drop; }; }")

    def is_over():
        two[0].say(b"still", ends[1])
        return is_silent(two[1].sock, 0.2) or not two[1].hear()

    wait_for(is_over, 20, "the flow to be shown")


def test_rules_that_masquerade(lab, pair, family):
    """They are not asked: the other sees the end outside, not one of the router's on the LAN."""
    lab.nft("router", "table inet n { chain p { type nat hook postrouting priority srcnat; masquerade; }; }")
    start(lab, settings(wan=OPEN))
    meet(*pair(family), OPEN)


def test_redirections_to_a_client_stay_the_users(lab, pair, family):
    """Also its masquerade, without which the answers would go straight to who asked."""
    start(lab, settings(wan=OPEN))
    two, ends = pair(family)
    meet(two, ends, OPEN)
    to = f"{family.client2}:{two[1].port}" if family.is4 else f"[{family.client2}]:{two[1].port}"
    lab.nft("router", f"""
        table inet redirections {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                udp dport 9999 dnat {family.nft} to {to}
            }}
            chain post {{
                type nat hook postrouting priority srcnat;
                oifname lan0 masquerade
            }}
        }}""")
    two[0].say(b"redirected", (family.server, 9999))
    data, seen = two[1].hear()
    assert data == b"redirected" and seen[0] == family.router
    two[1].say(b"answer", seen)
    assert two[0].hear() == (b"answer", (family.server, 9999))


# --- how long ----------------------------------------------------------------------------------------------------


def test_one_speaks_and_the_other_is_silent(lab, pair, family):
    """The flow of who only hears is over sooner: what comes then opens it again."""
    daemon = start(lab, settings(wan=OPEN), scale=20)
    (one, other), (end, other_end) = pair(family)
    one.say(b"first", other_end)
    assert other.hear() == (b"first", end)
    assert flows(daemon, src=family.client2, dst=end[0])

    def is_over():
        other.say(b"keeps its mapping")
        return not flows(daemon, src=family.client2, dst=end[0])

    wait_for(is_over, 20, "the silent one's flow to end", 0.2)
    assert flows(daemon, src=family.client, dst=end[0])
    one.say(b"again", other_end)
    assert other.hear() == (b"again", end)
