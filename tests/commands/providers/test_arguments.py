"""The rules that verbs share, at their edges (V-47, V-48)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands.providers.hostile import TEXTS
from warren.commands.providers import arguments
from warren.commands.providers.arguments import EMAIL, PASSWORD, SESSION_ID, SOURCE_IP, SPA_KEY, USERNAME, VPN_TIMEOUT
from warren.commands.schema import Rule, Text

pytestmark = pytest.mark.unit

RIGHT: list[tuple[Rule, object]] = [
    (USERNAME, "abc"),
    (USERNAME, "a" * 64),
    (USERNAME, "0_-"),
    (PASSWORD, "12345678"),
    (PASSWORD, "p" * 128),
    (PASSWORD, "pässwörter und $(blanks); 'quotes'"),
    (VPN_TIMEOUT, 60),
    (VPN_TIMEOUT, 86_400),
    (EMAIL, "user1@example.com"),
    (EMAIL, "first.last+tag@mail.example.org"),
    (EMAIL, "a@b"),
    (SOURCE_IP, "192.0.2.1"),
    (SOURCE_IP, "2001:db8::1"),
    (SESSION_ID, "s"),
    (SESSION_ID, "sess_2b7e-1516"),
    (SPA_KEY, "c2VjcmV0c2VjcmV0"),
    (SPA_KEY, "A" * 168),
    (SPA_KEY, "A" * 166 + "=="),
]
WRONG: list[tuple[Rule, object]] = [
    (USERNAME, "ab"),
    (USERNAME, "a" * 65),
    (USERNAME, "-rf"),
    (USERNAME, "_abc"),
    (USERNAME, "abc\n"),
    (USERNAME, "٣٣٣"),
    (PASSWORD, "1234567"),
    (PASSWORD, "p" * 129),
    (PASSWORD, "1234567\n"),
    (PASSWORD, "12345678\n"),
    (PASSWORD, "12345678\x00"),
    (PASSWORD, "12345678\x7f"),
    (PASSWORD, "12345678\x85"),
    (PASSWORD, "12345678\ud800"),
    (VPN_TIMEOUT, 59),
    (VPN_TIMEOUT, 86_401),
    (VPN_TIMEOUT, "60"),
    (VPN_TIMEOUT, True),
    (VPN_TIMEOUT, 60.0),
    (EMAIL, "user1"),
    (EMAIL, "-user@example.com"),
    (EMAIL, "user@-example.com"),
    (EMAIL, "user@example..com"),
    (EMAIL, "user@example.com\n"),
    (EMAIL, "user@example.com, other@example.com"),
    (EMAIL, "a@" + "b." * 126 + "bb"),
    (SOURCE_IP, "192.0.2.1/32"),
    (SOURCE_IP, "192.0.2.01"),
    (SOURCE_IP, "192.0.2.1\n"),
    (SOURCE_IP, "fe80::1%eth0"),
    (SOURCE_IP, "localhost"),
    (SOURCE_IP, 3232235777),
    (SESSION_ID, "a" * 65),
    (SPA_KEY, "c2VjcmV0"),
    (SPA_KEY, "c2VjcmV0c2VjcmV0\n"),
    (SPA_KEY, "c2VjcmV0c2VjcmV0c"),
    (SPA_KEY, "A" * 172),
    (SPA_KEY, "c2VjcmV0;c2VjcmV0"),
]


@pytest.mark.parametrize(("rule", "value"), RIGHT, ids=lambda each: ascii(each)[-40:])
def test_what_is_right(rule: Rule, value: object) -> None:
    assert rule.problem(value) is None


@pytest.mark.parametrize(("rule", "value"), WRONG, ids=lambda each: ascii(each)[-40:])
def test_what_is_wrong(rule: Rule, value: object) -> None:
    assert rule.problem(value)


@pytest.mark.parametrize("rule", [USERNAME, SESSION_ID, SOURCE_IP, EMAIL])
@pytest.mark.parametrize("what", TEXTS)
def test_what_someone_would_try(rule: Rule, what: str) -> None:
    assert rule.problem(TEXTS[what])


@given(st.from_regex(USERNAME.pattern, fullmatch=True))
def test_a_name_is_one_word_and_no_option(name: str) -> None:
    if USERNAME.problem(name) is None:
        assert name.isascii()
        assert not name.startswith("-")
        assert not set(name) & set(" \t\r\n/.:;&|<>$`'\"\\*?[]{}()!%")


@given(st.text(max_size=200))
def test_a_password_is_one_line_of_utf8(text: str) -> None:
    if PASSWORD.problem(text) is None:
        assert len(text.encode().splitlines()) == 1
        assert 8 <= len(text) <= 128


def test_what_is_secret() -> None:
    rules = {name: rule for name, rule in vars(arguments).items() if isinstance(rule, Text)}
    assert {name for name, rule in rules.items() if rule.secret} == {"PASSWORD", "SPA_KEY"}
