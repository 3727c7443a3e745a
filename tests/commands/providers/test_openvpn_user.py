"""Who may log in, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.providers.openvpn_user import Login, VpnUser, encode_user, expired, parse_user, rejection

pytestmark = pytest.mark.unit

USER = VpnUser("user1", "1f", 1_000, 2_000, "$2y$10$hash", "192.0.2.2", "user1@example.com")
LOGIN = Login("user1", "user1", "192.0.2.2")
TIMES = st.integers(0, 1 << 40)
USERS = st.builds(
    VpnUser,
    username=st.text(),
    serial=st.integers(1, 1 << 159).map(lambda serial: f"{serial:x}"),
    created=TIMES,
    expires=TIMES,
    password_hash=st.text(),
    source_ip=st.none() | st.ip_addresses().map(str),
    email=st.none() | st.text(),
)


@given(USERS)
def test_into_a_file_and_back(user: VpnUser) -> None:
    assert parse_user(encode_user(user)) == user


def test_no_hash_is_shown() -> None:
    assert "hash" not in repr(USER).replace("password_hash", "")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        encode_user(USER).replace(b'"1f"', b"31"),
        encode_user(USER).replace(b'"1f"', b'"one"'),
        encode_user(USER).replace(b"2000", b'"2000"'),
        encode_user(USER).replace(b"2000", b"true"),
        encode_user(USER).replace(b'"email"', b'"mail"'),
        encode_user(USER).replace(b'"email"', b'"username"'),
        encode_user(USER)[:-5],
    ],
)
def test_what_is_no_entry(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_user(octets)


@given(st.lists(USERS), TIMES)
def test_who_is_due_is_whose_time_is_up(users: list[VpnUser], now: int) -> None:
    assert [user in expired(users, now) for user in users] == [user.expires <= now for user in users]


@pytest.mark.parametrize(
    ("user", "login", "now", "why"),
    [
        (USER, LOGIN, 1_999.9, None),
        (USER, Login("user1", "user1", "::ffff:192.0.2.2"), 1_000, None),
        (VpnUser("user1", "1f", 1, 2_000, ""), Login("user1", "user1", "2001:db8::1"), 1_000, None),
        (VpnUser("user1", "1f", 1, 2_000, "", "2001:db8::1"), Login("user1", "user1", "2001:DB8:0::1"), 1_000, None),
        (USER, LOGIN, 2_000, "user has expired"),
        (None, LOGIN, 1_000, "unknown user"),
        (USER, Login("user2", "user2", "192.0.2.2"), 1_000, "unknown user"),
        (USER, Login("user1", "user2", "192.0.2.2"), 1_000, "certificate of another user"),
        (USER, Login("user1", "", "192.0.2.2"), 1_000, "certificate of another user"),
        (USER, Login("user1", "user1", "192.0.2.3"), 1_000, "source address is not allowed"),
        (USER, Login("user1", "user1", ""), 1_000, "source address is not allowed"),
    ],
)
def test_why_a_login_is_refused(user: VpnUser | None, login: Login, now: float, why: str | None) -> None:
    assert rejection(user, login, now) == why
