"""A session is replaced after REKEY_AFTER_TIME, 120 s, for real, and not one packet is lost (paper, section 6.1).

Both peers and both roles at once, so that two minutes are waited for only once.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from .conftest import MakeHost
from .deadline import until
from .engine import PEERS, Engine
from .host import IN_NAMESPACES
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair, cabled, pair_of
from .stream import Stream

pytestmark = [*IN_NAMESPACES, pytest.mark.slow]

REKEY_SECONDS = 200.0


def handshake_time(pair: Pair) -> int:
    """When the last handshake was, by the engine under test."""
    return int(pair.near.of_peer(pair.far.keys, "latest-handshakes"))


def test_no_packet_is_lost_when_the_session_is_replaced(make_host: MakeHost, warren: Engine) -> None:
    pairs = {}
    for name, engine in PEERS.items():
        for initiator in INNER:
            near, far = make_host("near"), make_host("far")
            cabled(near, far)
            pairs[name, initiator] = pair_of(near, warren, far, engine())
            pairs[name, initiator].open(initiator=initiator)
    first = {which: handshake_time(pair) for which, pair in pairs.items()}
    streams = {}
    with ExitStack() as running:
        for which, pair in pairs.items():
            near, far = pair.near.host, pair.far.host
            streams[which, "out"] = running.enter_context(Stream(near, far, FAR_INNER[0]))
            streams[which, "in"] = running.enter_context(Stream(far, near, NEAR_INNER[0]))
        until(
            lambda: all(handshake_time(pair) > first[which] for which, pair in pairs.items()),
            "every session is replaced",
            REKEY_SECONDS,
        )
    assert {which: stream.lost() + stream.doubled() for which, stream in streams.items() if stream.lost()} == {}
    assert all(stream.sent > 0 and not stream.doubled() for stream in streams.values())
