"""The state of a path as a value: pure, so that a journal can hold it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

MAX_FILE_BYTES = 1 << 20
"""The longest file whose state is taken: a hundred times as long as any configuration of a resolver."""


class Kind(enum.StrEnum):
    """The type of a directory entry."""

    ABSENT = "absent"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a path, as far as it can be restored."""

    kind: Kind
    content: bytes = b""
    """The target, for a link."""
    mode: int = 0o644
    owner: int = -1
    """-1 is whoever makes it."""
    group: int = -1
