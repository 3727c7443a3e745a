"""The file that nginx reads: what is ours goes in and out, and what is others' stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.htpasswd import names, with_user, without_user

pytestmark = pytest.mark.unit

OTHERS = b"# made by hand: ada\nada:$apr1$x$y:remark\n\nbob:{PLAIN}secret\r\n \xff\xfe\n"
NAMES = st.from_regex(USERNAME.pattern, fullmatch=True).filter(lambda name: not USERNAME.problem(name))


def test_names() -> None:
    assert names(OTHERS) == {"ada", "bob"}
    assert names(b"") == frozenset()


def test_user_is_appended_after_missing_newline() -> None:
    assert with_user(b"ada:x", "eve", "y") == b"ada:x\neve:y\n"
    assert without_user(b"ada:x\neve:y", "eve") == b"ada:x\n"


def test_duplicate_user_is_removed_completely() -> None:
    assert without_user(b"ada:x\nbob:y\nada:z\n", "ada") == b"bob:y\n"


@pytest.mark.parametrize("name", ["ad", "adab", "da", "# made by hand"])
def test_similar_names_are_distinct(name: str) -> None:
    assert without_user(OTHERS, name) == OTHERS


@given(st.binary(), NAMES)
def test_added_user_can_be_removed(octets: bytes, name: str) -> None:
    before = without_user(octets, name)
    after = with_user(before, name, "$2y$10$x")
    assert name in names(after)
    assert without_user(after, name).removesuffix(b"\n") == before.removesuffix(b"\n")
