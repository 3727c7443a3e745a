"""Watch whether a file is opened, whoever opens it and by whatever name (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

IN_OPEN, IN_MODIFY, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MOVED = 0x20, 0x2, 0x4, 0x100, 0x200, 0xC0
EVENT = struct.Struct("=iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """The events of files and directories since the beginning of the block. An O_PATH descriptor is no open file."""

    def __init__(self, *files: Path) -> None:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = IN_OPEN | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED
        for path in files:
            assert _libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask) >= 0, os.strerror(
                ctypes.get_errno()
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def events(self) -> list[int]:
        """Return the masks of what happened so far."""
        try:
            octets = os.read(self._descriptor, 65_536)
        except BlockingIOError:
            return []
        masks, at = [], 0
        while at < len(octets):
            _, mask, _, length = EVENT.unpack_from(octets, at)
            masks.append(mask)
            at += EVENT.size + length
        return masks
