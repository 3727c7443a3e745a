"""What lies at a path, as a value: pure, so that a journal can hold it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What lies at a path."""

    ABSENT = "absent"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class FileState:
    """What lies at a path, as far as it can be put back."""

    kind: Kind
    content: bytes = b""
    """Of a link, where it leads."""
    mode: int = 0o644
    owner: int = -1
    """-1 is whoever makes it."""
    group: int = -1
