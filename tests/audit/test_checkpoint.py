"""Checkpoints: signing, verification and interval."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import KEY, KEYS
from warren.audit.chain import Head
from warren.audit.checkpoint import TYPE, Checkpoint, is_due, parse_unverified, sign_checkpoint, verify_checkpoint

pytestmark = [pytest.mark.unit, pytest.mark.security]

CHECKPOINT = Checkpoint("gateway-001", Head(7, "ab" * 32), 1_800_000_000, "cd" * 32, "office")


def test_verify_checkpoint_returns_what_was_signed() -> None:
    token = sign_checkpoint(CHECKPOINT, KEY)
    assert verify_checkpoint(token, KEYS) == parse_unverified(token) == CHECKPOINT


@given(st.data())
def test_verify_checkpoint_rejects_changed_token(data: st.DataObject) -> None:
    token = sign_checkpoint(CHECKPOINT, KEY)
    where = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab09-_.").filter(lambda letter: letter != token[where]))
    with pytest.raises(ValueError, match=r"."):
        verify_checkpoint(token[:where] + other + token[where + 1 :], KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"n": "7"},
        {"n": -1},
        {"head": "ab"},
        {"prev": "AB" * 32},
        {"ts": None},
        {"more": 1},
        {"agent_id": 3},
        {"cluster": 1},
        {"cluster": None},
    ],
)
def test_verify_checkpoint_rejects_signed_payload_of_another_shape(change: dict[str, object]) -> None:
    members = {"format": 1, "cluster": "office", "agent_id": "gateway-001"} | {"n": 7, "head": "ab" * 32}
    members |= {"ts": 1, "prev": "cd" * 32} | change
    with pytest.raises(ValueError, match="not a checkpoint"):
        verify_checkpoint(KEY.sign(json.dumps(members).encode(), TYPE), KEYS)


def test_verify_checkpoint_rejects_a_malformed_cluster() -> None:
    token = sign_checkpoint(replace(CHECKPOINT, cluster="Office"), KEY)
    with pytest.raises(ValueError, match="cluster: expected"):
        verify_checkpoint(token, KEYS)


@pytest.mark.parametrize("value", [None, 2, "1", True])
def test_verify_checkpoint_rejects_another_format(value: object) -> None:
    members = {"format": value, "cluster": "office", "agent_id": "gateway-001", "n": 7, "head": "ab" * 32, "ts": 1}
    token = KEY.sign(json.dumps({**members, "prev": "cd" * 32}).encode(), TYPE)
    with pytest.raises(ValueError, match="format: expected 1"):
        verify_checkpoint(token, KEYS)


def test_verify_checkpoint_rejects_token_of_another_type() -> None:
    with pytest.raises(ValueError, match="type is not"):
        verify_checkpoint(KEY.sign(b"{}", "warren-res+jws"), KEYS)


@pytest.mark.parametrize(
    ("lines", "seconds", "due"), [(0, 1e9, False), (1, 29.9, False), (1, 30, True), (255, 0, False), (256, 0, True)]
)
def test_is_due_by_lines_and_seconds(lines: int, seconds: float, due: bool) -> None:
    assert is_due(lines, seconds) is due
