"""The user that the agent runs as."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.files.unix_socket import find_group

if sys.platform != "win32":
    import pwd

ROOT = 0


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The user and the groups of the agent."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def owners(self) -> frozenset[int]:
        """Return the users to whom its key files may belong (H-70)."""
        return frozenset((ROOT, self.uid))

    def owns(self, directory: Path) -> bool:
        """Return whether the directory belongs to this user, who can then make and remove files there."""
        with suppress(OSError):
            return directory.stat().st_uid == self.uid
        return False


def find_service_user(user: str, group: str) -> ServiceUser:
    """Return the user that this process is to run as: for root `user` with its groups and `group`, else the own user.

    Raises HostError if this host has no such user.
    """
    if sys.platform != "win32":
        if os.geteuid() != ROOT:
            return ServiceUser(str(os.geteuid()), os.geteuid(), os.getegid(), tuple(os.getgroups()))
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise _unknown_user(user) from None
        gid = find_group(group).gid
        groups = {*os.getgrouplist(user, account.pw_gid), *(() if gid is None else (gid,))}
        return ServiceUser(user, account.pw_uid, account.pw_gid, tuple(sorted(groups)))
    raise HostError("this system has no users to run as", code="host.refused")


def is_root() -> bool:
    """Return whether this process is root."""
    return sys.platform != "win32" and os.geteuid() == ROOT


def _unknown_user(user: str) -> HostError:
    make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}"
    hint = f"create it: {make}; or set another as [daemon] user"
    return HostError(f"there is no user {user} on this host", code="privilege.unknown_user", hint=hint)
