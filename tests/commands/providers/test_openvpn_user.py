"""Who may log in, and until when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.providers.openvpn_user import (
    Login,
    VpnUser,
    encode_user,
    parse_user,
    rejection,
    to_delete,
    to_suspend,
)
from warren.elapsed_clock import Moment

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
    created_elapsed=st.floats(0, 1 << 40),
    deleted=st.sampled_from([None, True]),
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
        encode_user(USER).replace(b"{", b'{"deleted":false,'),
        encode_user(USER).replace(b'"created_elapsed":0.0', b'"created_elapsed":"0"'),
        encode_user(USER)[:-5],
    ],
)
def test_what_is_no_entry(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_user(octets)


@given(st.lists(USERS), TIMES, st.floats(0, 1 << 40))
def test_user_is_deleted_by_both_clocks_and_suspended_by_one(users: list[VpnUser], wall: int, elapsed: float) -> None:
    now = Moment(wall, elapsed)
    by_wall = [user.expires <= wall for user in users]
    by_elapsed = [user.created_elapsed + user.expires - user.created <= elapsed for user in users]
    deleted = [
        bool(user.deleted) or (one and other) for user, one, other in zip(users, by_wall, by_elapsed, strict=True)
    ]
    assert [user in to_delete(users, now) for user in users] == deleted
    suspended = [(one or other) and not gone for one, other, gone in zip(by_wall, by_elapsed, deleted, strict=True)]
    assert [user in to_suspend(users, now) for user in users] == suspended


def test_login_is_refused_once_the_elapsed_clock_has_reached_the_expiry() -> None:
    """The wall clock was set back; the lifetime of 1,000 seconds has passed."""
    assert rejection(USER, LOGIN, Moment(1_001, 999)) is None
    assert rejection(USER, LOGIN, Moment(1_001, 1_000)) == "user has expired"


def test_login_is_refused_while_a_deletion_is_incomplete() -> None:
    assert rejection(replace(USER, deleted=True), LOGIN, Moment(1_001, 1)) == "user has expired"


def test_entry_of_an_older_version_has_no_elapsed_time() -> None:
    octets = encode_user(replace(USER, created_elapsed=7.5)).replace(b',"created_elapsed":7.5', b"")
    assert b"elapsed" not in octets
    assert parse_user(octets) == USER


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
    assert rejection(user, login, Moment(now, 0)) == why
