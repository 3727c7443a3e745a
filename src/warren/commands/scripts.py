"""Which file is a script, and what may be wrong with it: V-57, X-07, V-83."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warren.commands.effects.effect import EffectError
from warren.commands.settings import ScriptSettings

# V-57: what the documents call them below `scripts_root`.
FILES = {
    "openvpn_create": "add_vpn_user.sh",
    "openvpn_delete": "delete_vpn_user.sh",
    "panel_create": "add_user.sh",
    "panel_delete": "delete_user.sh",
}
MAX_BYTES = 4 << 20  # of a script whose hash is pinned: it is read whole


class ScriptError(EffectError):
    """A script that may not be trusted, and so has not run. It is worth an event: `script.changed` (V-83)."""

    EVENT = "script.changed"

    def __init__(self, name: str, path: str, problem: str, **facts: str) -> None:
        super().__init__(f"the script {name} has not run: {problem}")
        self.fields: Mapping[str, object] = {"script": name, "path": path, "problem": problem, **facts}
        """The event's."""


def path_of(name: str, settings: ScriptSettings) -> str | None:
    """Where the script is to be; None where nothing says so. Raises ScriptError unless it is absolute."""
    path = settings.entries.get(name)
    if path is None:
        if settings.scripts_root is None or name not in FILES:
            return None
        path = f"{settings.scripts_root}/{FILES[name]}"
    if not path.startswith("/") or ".." in path.split("/"):
        raise ScriptError(name, path, f"{path} is no absolute path without ..")
    return path


def is_rooted(name: str, settings: ScriptSettings) -> bool:
    """Whether it must lie in `scripts_root`, links followed: an entry of its own may lead anywhere (X-07)."""
    return name not in settings.entries


def pins_of(name: str, settings: ScriptSettings, pinned: Mapping[str, str]) -> frozenset[str]:
    """The SHA-256 that it must have: the owner's and the trust bundle's, which a script of two pins must both be."""
    found = (settings.sha256.get(name), pinned.get(name))
    return frozenset(pin.lower() for pin in found if pin is not None)


def verify_pins(name: str, path: str, digest: str, pins: frozenset[str]) -> None:
    """Raises ScriptError unless `digest` is each of `pins`."""
    if pins != {digest}:
        problem = f"the SHA-256 of {path} is {digest}, and {_either(sorted(pins))} is pinned"
        raise ScriptError(name, path, problem, sha256=digest, pinned=" ".join(sorted(pins)))


def _either(pins: Sequence[str]) -> str:
    return " and ".join(pins)
