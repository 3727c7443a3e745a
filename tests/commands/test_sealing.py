"""Secrets in what leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.sealing import SecretMask, mask_secrets

pytestmark = pytest.mark.unit

TEXTS = st.text("ab*", max_size=40).map(str.encode)


@given(st.lists(TEXTS, max_size=8), st.lists(st.text("ab", min_size=4, max_size=6).map(str.encode), max_size=3))
def test_mask_hides_secret_split_at_any_position(pieces: list[bytes], secrets: list[bytes]) -> None:
    mask = SecretMask(secrets)
    shown = b"".join(mask.feed(piece) for piece in pieces) + mask.end()
    assert not any(secret in shown for secret in secrets)


def test_mask_keeps_other_text() -> None:
    assert mask_secrets("the word is password123.", [b"password123"]) == "the word is ***."
    assert mask_secrets("abc", [b"abc"]) == "abc", "too short to be a secret"
    assert mask_secrets("much", [], truncated=True) == "much\n[truncated]"
