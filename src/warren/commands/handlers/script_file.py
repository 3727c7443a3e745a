"""Open a script's file after the proof that only its owner can have put it there (V-57).

Every directory on the way, every link and the file itself belong to a trusted user, and nobody else can write them
(`files.trusted_path`). So what was proven is what runs by its path. If a hash is pinned, the text is read once, hashed,
and runs from a sealed copy that nobody can change, its owner included.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warren.commands.result import Code, CommandError, Status
from warren.commands.scripts import MAX_BYTES, ScriptError, is_rooted, path_of, pins_of, verify_pins
from warren.commands.settings import ScriptSettings
from warren.files.sealed_copy import sealed_copy
from warren.files.trusted_path import Trust, TrustedEntry, UntrustedPathError, walk_trusted


@dataclass(slots=True)
class Script:
    """A script that may run: by `path`, which no link is part of, or from `image`."""

    path: str
    image: int | None = None
    """A descriptor, the caller's to close."""


def open_script(name: str, settings: ScriptSettings, owners: frozenset[int], pinned: Mapping[str, str]) -> Script:
    """Open the script with that name. `owners` are the users who may own any part of its path.

    Raises CommandError SCRIPT_NOT_FOUND if there is none, and ScriptError if it may not be trusted.
    """
    path = path_of(name, settings)
    if path is None:
        raise CommandError(Code.SCRIPT_NOT_FOUND, f"[scripts] has no entry {name} and no scripts_root", Status.ERROR)
    trust = Trust(owners, follow_links=True, allow_sticky=False)
    pins = pins_of(name, settings, pinned)
    try:
        with walk_trusted(Path(path), trust) as entry:
            _verify_root(name, path, entry.path, settings, trust)
            if not stat.S_ISREG(entry.status.st_mode):
                raise ScriptError(name, path, f"{path} is not a regular file")
            return Script(str(entry.path), _pinned_copy(name, path, entry, pins) if pins else None)
    except UntrustedPathError as error:
        raise ScriptError(name, path, f"{error}; {error.hint}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(Code.SCRIPT_NOT_FOUND, f"{path}, the script {name}, does not exist", Status.ERROR) from error
    except OSError as error:
        raise ScriptError(name, path, f"{path} cannot be opened: {error.strerror}") from error


def _verify_root(name: str, path: str, target: Path, settings: ScriptSettings, trust: Trust) -> None:
    if settings.scripts_root is None or not is_rooted(name, settings):
        return
    with walk_trusted(Path(settings.scripts_root), trust) as root:
        if root.path not in target.parents:
            raise ScriptError(name, path, f"{path} leads to {target}, outside scripts_root")


def _pinned_copy(name: str, path: str, entry: TrustedEntry, pins: frozenset[str]) -> int:
    """Return a descriptor of a copy that has the pinned hash. Raises ScriptError, OSError."""
    with Path(f"/proc/self/fd/{entry.descriptor}").open("rb") as source:
        text = source.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ScriptError(name, path, f"{path} has more than {MAX_BYTES} octets")
    verify_pins(name, path, hashlib.sha256(text).hexdigest(), pins)
    return sealed_copy(text, f"script-{name}")
