"""Find what keeps a file from being replaced by a rename: it is a symbolic link, a mount point, or no file at all.

A rename would put a file in the place of a link, and whoever reads the link's target would see no change. A mount point
cannot be renamed over. Whether a file is mounted in another namespace, as one file of a container, cannot be seen from
here: whoever mounts the single file there reads the former content until the mount is made again.
Power cut and hostile directory: nothing is changed; the entry may be another one when it is replaced, which the rename
itself then refuses or replaces.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from warren.files.directory import DIRECTORY_FLAGS, NO_FOLLOW, link_error, mount_error

PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | NO_FOLLOW
DESCRIPTORS = Path("/proc/self/fdinfo")


def check_replaceable(path: Path) -> None:
    """Raise OSError with a reason if a rename must not or cannot replace what is at `path`; nothing there is fine."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise link_error(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    if is_mount_point(path):
        raise mount_error(path)


def is_mount_point(path: Path) -> bool:
    """Return True if `path` is a mount of its own, also of a file; False where the host does not say."""
    with suppress(OSError):
        return _mount_id(path, PATH_ONLY) != _mount_id(path.parent, DIRECTORY_FLAGS)
    return False


def _mount_id(path: Path, flags: int) -> bytes:
    """Return the number of the mount that `path` is on (proc_pid_fdinfo(5)). Raises OSError."""
    descriptor = os.open(path, flags)
    try:
        lines = (DESCRIPTORS / str(descriptor)).read_bytes().splitlines()
    finally:
        os.close(descriptor)
    return next((line for line in lines if line.startswith(b"mnt_id:")), b"")
