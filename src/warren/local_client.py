"""Clients of a Unix socket, as the kernel reports them, and the groups that grant them access."""

from __future__ import annotations

from dataclasses import dataclass

READ_GROUP = "warren-read"
ADMIN_GROUP = "warren-admin"


@dataclass(frozen=True, slots=True)
class Group:
    """A group by name; `gid` is None where this host has none of that name, so that nobody is in it."""

    name: str
    gid: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """The process at the other end, as the kernel knew it when it connected."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    """The supplementary ones."""

    def is_in(self, group: Group) -> bool:
        """Whether it is a member."""
        return group.gid == self.gid or group.gid in self.groups
