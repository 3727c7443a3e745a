"""Check who may request which action on the control socket (H-40).

Members of the read group may request read-only actions. Members of the administrators' group may request all, as root
may. An administrator is equivalent to root on this host: `connect` sends its traffic where a configuration says.
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.errors import HostError
from warren.local_client import Client, Group
from warren.localapi.action import Action

ROOT = 0


@dataclass(frozen=True, slots=True)
class Permissions:
    """Grant the actions of one control socket."""

    read: Group
    admin: Group
    owner: int | None = None
    """The uid of a user who runs an agent of their own and may request all its actions. None for the agent of a host:
    other processes with the uid that it runs under are no administrators for that reason."""

    def verify(self, client: Client, action: Action) -> None:
        """Check that a client may request an action. Raises HostError, which names the group that is required."""
        if client.uid in (ROOT, self.owner) or client.is_in(self.admin):
            return
        if action.read_only and client.is_in(self.read):
            return
        group = self.read if action.read_only else self.admin
        problem = f"uid {client.uid} may not request {action.name}; expected root or a member of {group.name}"
        raise HostError(problem, code="request.denied", hint=_hint(group))


def _hint(group: Group) -> str:
    if group.gid is None:
        return f"as root: groupadd --system {group.name}, then restart the agent"
    return f"as root: usermod --append --groups {group.name} USER; then log in again"
