"""Who may ask for what on the control socket (H-40).

Members of the reading group may look; members of the group of administrators may do all, as root may. To be an
administrator is to be root on this host: `connect` sends its traffic where a configuration says.
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.errors import HostError
from warren.local_client import Client, Group

READ_ACTIONS = frozenset(("status", "list", "peers", "info", "ping", "challenge", "verbs"))
ROOT = 0


@dataclass(frozen=True, slots=True)
class Permissions:
    """The rules of one socket."""

    read: Group
    admin: Group
    owner: int | None = None
    """The uid of a person whose own agent this is: may do all. None for the agent of a host: what it runs under its own
    uid is no administrator for that."""

    def verify(self, client: Client, action: str) -> None:
        """Raises HostError that names the group that is needed. All that is not reading needs an administrator."""
        reads = action in READ_ACTIONS
        if client.uid in (ROOT, self.owner) or client.is_in(self.admin) or (reads and client.is_in(self.read)):
            return
        group = self.read if reads else self.admin
        problem = f"uid {client.uid} may not ask for {action}; expected root or a member of {group.name}"
        raise HostError(problem, code="request.denied", hint=_hint(group))


def _hint(group: Group) -> str:
    if group.gid is None:
        return f"as root: groupadd --system {group.name}, then start the agent again"
    return f"as root: usermod --append --groups {group.name} USER; then sign in anew"
