"""Describe the clients of a Unix socket as the kernel reports them, and the groups that grant them access."""

from __future__ import annotations

from dataclasses import dataclass

READ_GROUP = "warren-read"
ADMIN_GROUP = "warren-admin"


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
