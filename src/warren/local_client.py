"""Describe clients: of a Unix socket as the kernel reports them, over TCP by the token that they present."""

from __future__ import annotations

import enum
from dataclasses import dataclass

READ_GROUP = "warren-read"
ADMIN_GROUP = "warren-admin"


class Token(enum.Enum):
    """Tell the tokens apart that clients without credentials of the kernel present."""

    READ = "token"
    """The token that members of the read group can read."""
    ADMIN = "admin_token"
    """The token that only root and the agent's own user can read."""


@dataclass(frozen=True, slots=True)
class Group:
    """Name a group; `gid` is None if this host has no such group, so that nobody is in it."""

    name: str
    gid: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """Identify the process at the other end, as it was when it connected."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    """The supplementary groups."""

    def is_in(self, group: Group) -> bool:
        """Return True if the client is a member of the group."""
        return group.gid == self.gid or group.gid in self.groups
