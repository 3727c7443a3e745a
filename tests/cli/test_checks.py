"""The verdict of `warren doctor` on a peer."""

from __future__ import annotations

from typing import Any

import pytest

from warren.cli.checks import Result, check_peer

pytestmark = pytest.mark.unit
NOW = 1_700_000_000.0
PEER: dict[str, Any] = {
    "name": "far",
    "health": "healthy",
    "pending": None,
    "tried": [],
    "endpoint": "192.0.2.1:51820",
    "latest_handshake": NOW - 10,
    "latency_seconds": None,
}


@pytest.mark.parametrize(
    ("changes", "result", "sentence"),
    [
        ({}, Result.OK, "at 192.0.2.1:51820"),
        ({"latest_handshake": NOW - 300, "health": "unhealthy"}, Result.WARNING, "last handshake"),
        ({"latest_handshake": None, "health": "unhealthy"}, Result.FAILED, "no handshake with 192.0.2.1:51820 yet"),
        ({"latest_handshake": None, "health": "waiting"}, Result.WARNING, "nothing was sent to 192.0.2.1:51820 yet"),
        (
            {"latest_handshake": None, "health": "waiting", "endpoint": None},
            Result.WARNING,
            "no endpoint configured and no handshake yet",
        ),
        ({"pending": "far.example does not resolve", "health": "unhealthy"}, Result.FAILED, "does not resolve"),
    ],
)
def test_check_peer_distinguishes_waiting_from_unreachable(
    changes: dict[str, Any], result: Result, sentence: str
) -> None:
    verdict = check_peer(PEER | changes, NOW)
    assert (verdict.check, verdict.result) == ("peer far", result)
    assert sentence in verdict.sentence
