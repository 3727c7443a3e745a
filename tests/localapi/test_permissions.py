"""Who may ask for what (H-40)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import HostError
from warren.local_client import Client, Group
from warren.localapi.permissions import READ_ACTIONS, Permissions

pytestmark = [pytest.mark.unit, pytest.mark.security]

READ, ADMIN, OTHER = 901, 902, 903
RULES = Permissions(Group("warren-read", READ), Group("warren-admin", ADMIN))
CHANGES = ("connect", "disconnect", "reload", "rotate_keys", "what nobody knows")


def allowed(client: Client, rules: Permissions = RULES) -> set[str]:
    """The actions that a client may ask for."""
    found = set()
    for action in (*READ_ACTIONS, *CHANGES):
        with suppress(HostError):
            rules.verify(client, action)
            found.add(action)
    return found


@pytest.mark.parametrize(
    ("client", "actions"),
    [
        (Client(0, 0, 1), {*READ_ACTIONS, *CHANGES}),
        (Client(1000, ADMIN, 1), {*READ_ACTIONS, *CHANGES}),
        (Client(1000, OTHER, 1, frozenset((ADMIN,))), {*READ_ACTIONS, *CHANGES}),
        (Client(1000, READ, 1), READ_ACTIONS),
        (Client(1000, OTHER, 1, frozenset((READ,))), READ_ACTIONS),
        (Client(1000, OTHER, 1), set()),
        (Client(1000, 0, 1, frozenset((0,))), set()),
    ],
)
def test_by_membership(client: Client, actions: set[str]) -> None:
    assert allowed(client) == actions


@given(st.builds(Client, st.integers(1, 2000), st.integers(0, 2000), st.just(1), st.frozensets(st.integers(0, 2000))))
def test_where_a_host_has_no_such_groups_only_root_may(client: Client) -> None:
    assert allowed(client, Permissions(Group("warren-read", None), Group("warren-admin", None))) == set()


def test_a_persons_own_agent() -> None:
    rules = Permissions(Group("warren-read", None), Group("warren-admin", None), owner=1000)
    assert allowed(Client(1000, 1000, 1), rules) == {*READ_ACTIONS, *CHANGES}
    assert allowed(Client(1001, 1000, 1), rules) == set()


def test_a_refusal_names_the_group_and_how_to_get_into_it() -> None:
    with pytest.raises(HostError, match="uid 1000 may not ask for status; expected root or a member of warren-read"):
        RULES.verify(Client(1000, OTHER, 1), "status")
    with pytest.raises(HostError, match="member of warren-admin") as error:
        RULES.verify(Client(1000, READ, 1), "connect")
    assert error.value.code == "request.denied"
    assert "usermod --append --groups warren-admin" in error.value.hint
    with pytest.raises(HostError) as error:
        Permissions(Group("r", None), Group("a", None)).verify(Client(1000, READ, 1), "connect")
    assert "groupadd --system a" in error.value.hint
