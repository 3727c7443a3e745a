"""Check who may request which action, on the control socket and on the local HTTP alike (H-40).

Members of the read group may request read-only actions. Members of the administrators' group may request all, as root
may. An administrator is equivalent to root on this host: `connect` sends its traffic where a configuration says.

The rows of the actions are the only table of permissions. A route of the local HTTP names the action that it performs.
A token that the read group can read grants what a member of that group may do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from warren.errors import HostError
from warren.local_client import Client, Group, Token
from warren.localapi.action import Action

ROOT = 0


@dataclass(frozen=True, slots=True)
class Permissions:
    """Grant the actions of one agent."""

    read: Group
    admin: Group
    owner: int | None = None
    """The uid of a user who runs an agent of their own and may request all its actions. None for the agent of a host:
    other processes with the uid that it runs under are no administrators for that reason."""

    def verify(self, client: Client | Token, action: Action) -> None:
        """Check that a client may request an action. Raises HostError, which names what is required."""
        if isinstance(client, Token):
            self._verify_token(client, action)
            return
        if client.uid in (ROOT, self.owner) or client.is_in(self.admin):
            return
        if action.read_only and client.is_in(self.read):
            return
        group = self.read if action.read_only else self.admin
        problem = f"uid {client.uid} may not request {action.name}; expected root or a member of {group.name}"
        raise HostError(problem, code="request.denied", hint=_hint(group))

    def _verify_token(self, token: Token, action: Action) -> None:
        """Raise HostError unless the readers of a token may request an action."""
        if token is Token.ADMIN or action.read_only or self.read == self.admin:
            return
        problem = f"the token of [http] token may not request {action.name}; expected that of [http] admin_token"
        raise HostError(problem, code="request.denied", hint="use the Unix socket as root or an administrator")


class PermissionTable:
    """Grant requests for registered actions by their names."""

    def __init__(self, actions: Iterable[Action], permissions: Permissions) -> None:
        """Raise ValueError if two actions have one name."""
        self._permissions = permissions
        self.actions: dict[str, Action] = {}
        for action in actions:
            if action.name in self.actions:
                raise ValueError(f"action {action.name} is registered twice")
            self.actions[action.name] = action

    def verify(self, client: Client | Token, name: str) -> None:
        """Check that a client may request the action of that name. Raises HostError, KeyError."""
        self._permissions.verify(client, self.actions[name])


def _hint(group: Group) -> str:
    if group.gid is None:
        return f"as root: groupadd --system {group.name}, then restart the agent"
    return f"as root: usermod --append --groups {group.name} USER; then log in again"
