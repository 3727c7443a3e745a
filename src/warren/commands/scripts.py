"""The path and the pinned hashes of a script: V-57, X-07, V-83."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.effects.effect import EffectError
from warren.commands.settings import ScriptSettings

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
