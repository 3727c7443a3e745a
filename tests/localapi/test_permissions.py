"""Which clients may request which actions (H-40)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import HostError
from warren.local_client import Client, Group
from warren.localapi.action import Action, Data
from warren.localapi.messages import Request
from warren.localapi.permissions import Permissions

pytestmark = [pytest.mark.unit, pytest.mark.security]

READ, ADMIN, OTHER = 901, 902, 903
RULES = Permissions(Group("warren-read", READ), Group("warren-admin", ADMIN))


async def run(_request: Request, _client: Client, _now: float) -> Data:
    """Do nothing."""
    return {}


READ_ONLY, CHANGE = Action("status", run, read_only=True), Action("connect", run)


def allowed(client: Client, rules: Permissions = RULES) -> set[str]:
    """Return the names of the actions that a client may request."""
    found = set()
    for action in (READ_ONLY, CHANGE):
        with suppress(HostError):
            rules.verify(client, action)
            found.add(action.name)
    return found


@pytest.mark.parametrize(
    ("client", "actions"),
    [
        (Client(0, 0, 1), {"status", "connect"}),
        (Client(1000, ADMIN, 1), {"status", "connect"}),
        (Client(1000, OTHER, 1, frozenset((ADMIN,))), {"status", "connect"}),
        (Client(1000, READ, 1), {"status"}),
        (Client(1000, OTHER, 1, frozenset((READ,))), {"status"}),
        (Client(1000, OTHER, 1), set()),
        (Client(1000, 0, 1, frozenset((0,))), set()),
    ],
)
def test_permission_follows_group_membership(client: Client, actions: set[str]) -> None:
    assert allowed(client) == actions


@given(st.builds(Client, st.integers(1, 2000), st.integers(0, 2000), st.just(1), st.frozensets(st.integers(0, 2000))))
def test_only_root_is_permitted_if_the_groups_are_missing(client: Client) -> None:
    assert allowed(client, Permissions(Group("warren-read", None), Group("warren-admin", None))) == set()


def test_owner_may_request_all_of_their_own_agent() -> None:
    rules = Permissions(Group("warren-read", None), Group("warren-admin", None), owner=1000)
    assert allowed(Client(1000, 1000, 1), rules) == {"status", "connect"}
    assert allowed(Client(1001, 1000, 1), rules) == set()


def test_denial_names_the_group_and_how_to_join_it() -> None:
    with pytest.raises(HostError, match="uid 1000 may not request status; expected root or a member of warren-read"):
        RULES.verify(Client(1000, OTHER, 1), READ_ONLY)
    with pytest.raises(HostError, match="member of warren-admin") as error:
        RULES.verify(Client(1000, READ, 1), CHANGE)
    assert error.value.code == "request.denied"
    assert "usermod --append --groups warren-admin" in error.value.hint
    with pytest.raises(HostError) as error:
        Permissions(Group("r", None), Group("a", None)).verify(Client(1000, READ, 1), CHANGE)
    assert "groupadd --system a" in error.value.hint
