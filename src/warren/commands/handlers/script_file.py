"""Open a script: find its path, verify that only its owner can have put it there, and verify its hash (V-57, V-83).

Every directory on the way, every link and the file itself belong to a trusted user, and nobody else can write them
(`files.trusted_path`). So what was proven is what runs by its path. If a hash is pinned, the text is read once, hashed,
and runs from a sealed copy that nobody can change, its owner included.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warren.commands.effects.effect import EffectError
from warren.commands.handlers.first_line import MAX_BYTES as FIRST_BYTES
from warren.commands.handlers.first_line import first_line_problem
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import ScriptSettings
from warren.files.sealed_copy import sealed_copy
from warren.files.trusted_path import Trust, TrustedEntry, UntrustedPathError, walk_trusted

# V-57: the file names below `scripts_root`.
FILES = {
    "openvpn_create": "add_vpn_user.sh",
    "openvpn_delete": "delete_vpn_user.sh",
    "panel_create": "add_user.sh",
    "panel_delete": "delete_user.sh",
}
MAX_BYTES = 4 << 20  # of a script with a pinned hash, which is read whole


class ScriptError(EffectError):
    """A script is not trusted and was not run; this emits the event `script.changed` (V-83)."""

    EVENT = "script.changed"

    def __init__(self, name: str, path: str, problem: str, **facts: str) -> None:
        super().__init__(f"script {name} was not run: {problem}")
        self.fields: Mapping[str, object] = {"script": name, "path": path, "problem": problem, **facts}
        """The fields of the event."""


@dataclass(slots=True)
class Script:
    """A script that may run: by `path`, which no link is part of, or from `image`."""

    path: str
    image: int | None = None
    """A descriptor, the caller's to close."""


def open_script(name: str, settings: ScriptSettings, owners: frozenset[int], pinned: Mapping[str, str]) -> Script:
    """Open the script with that name. `owners` are the users who may own any part of its path.

    Raises CommandError SCRIPT_NOT_FOUND if there is none, ScriptError if it may not be trusted, and EffectError if the
    kernel could not run it.
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
            image = _pinned_copy(name, path, entry, pins) if pins else None
            if problem := first_line_problem(_read(entry, FIRST_BYTES), str(entry.path)):
                if image is not None:
                    os.close(image)
                raise EffectError(f"the script {name}, {path}, cannot run: {problem}")
            return Script(str(entry.path), image)
    except UntrustedPathError as error:
        raise ScriptError(name, path, f"{error}; {error.hint}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(Code.SCRIPT_NOT_FOUND, f"{path}, the script {name}, does not exist", Status.ERROR) from error
    except OSError as error:
        raise ScriptError(name, path, f"{path} cannot be opened: {error.strerror}") from error


def path_of(name: str, settings: ScriptSettings) -> str | None:
    """Return the path of a script; None if the configuration has none. Raises ScriptError for a relative path."""
    path = settings.entries.get(name)
    if path is None:
        if settings.scripts_root is None or name not in FILES:
            return None
        path = f"{settings.scripts_root}/{FILES[name]}"
    if not path.startswith("/") or ".." in path.split("/"):
        raise ScriptError(name, path, f"{path}: expected an absolute path without ..")
    return path


def is_rooted(name: str, settings: ScriptSettings) -> bool:
    """Return whether it must be below `scripts_root`, symlinks resolved; an entry may be anywhere (X-07)."""
    return name not in settings.entries


def pins_of(name: str, settings: ScriptSettings, pinned: Mapping[str, str]) -> frozenset[str]:
    """Return the pinned SHA-256 hashes, of the configuration and of the trust bundle; a script must match both."""
    configured = (settings.sha256.get(name), pinned.get(name))
    return frozenset(pin.lower() for pin in configured if pin is not None)


def verify_pins(name: str, path: str, digest: str, pins: frozenset[str]) -> None:
    """Raise ScriptError unless `digest` equals each of `pins`."""
    if pins != {digest}:
        problem = f"SHA-256 of {path} is {digest}, but {' and '.join(sorted(pins))} is pinned"
        raise ScriptError(name, path, problem, sha256=digest, pinned=" ".join(sorted(pins)))


def _verify_root(name: str, path: str, target: Path, settings: ScriptSettings, trust: Trust) -> None:
    if settings.scripts_root is None or not is_rooted(name, settings):
        return
    with walk_trusted(Path(settings.scripts_root), trust) as root:
        if root.path not in target.parents:
            raise ScriptError(name, path, f"{path} leads to {target}, outside scripts_root")


def _read(entry: TrustedEntry, size: int) -> bytes:
    """Return the beginning of a file. Raises OSError."""
    with Path(f"/proc/self/fd/{entry.descriptor}").open("rb") as source:
        return source.read(size)


def _pinned_copy(name: str, path: str, entry: TrustedEntry, pins: frozenset[str]) -> int:
    """Return a descriptor of a copy that has the pinned hash. Raises ScriptError, OSError."""
    text = _read(entry, MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ScriptError(name, path, f"{path} has more than {MAX_BYTES} octets")
    verify_pins(name, path, hashlib.sha256(text).hexdigest(), pins)
    return sealed_copy(text, f"script-{name}")
