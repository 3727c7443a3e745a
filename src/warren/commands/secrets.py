"""Secret arguments: opened where the verb is carried out, and struck out of all that leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from warren.commands.command import VerifiedCommand
from warren.commands.result import Code, CommandError
from warren.commands.verbs import Verb

MASK = "***"
CUT = "\n[cut]"
"""Ends a text of which more was said than is kept (V-73)."""
MIN_MASKED = 4  # a shorter one would strike out half of every text, and no password is so short

Unseal = Callable[[str, str, str], bytes]
"""The octets of a sealed argument: its text, the corr_id and the argument's name. Raises ValueError."""


def opened(command: VerifiedCommand, verb: Verb, unseal: Unseal) -> dict[str, object]:
    """All arguments in plain. Raises CommandError VALIDATION_FAILED for one that was not sealed to this node."""
    secret = frozenset[str]().union(*(schema.secrets for schema in verb.schemas))
    return {
        name: _open(name, value, command.corr_id, unseal) if name in secret else value
        for name, value in command.args.items()
    }


def _open(name: str, value: object, corr_id: str, unseal: Unseal) -> object:
    sealed = value.get("sealed") if isinstance(value, Mapping) else None
    if not isinstance(sealed, str):
        return value
    try:
        return unseal(sealed, corr_id, name).decode()
    except ValueError:
        problem = f"{name}: is not sealed to this node for this command"
        raise CommandError(Code.VALIDATION_FAILED, problem) from None


def masked(text: str, secrets: Sequence[bytes], *, cut: bool = False) -> str:
    """Without any of them, and with a mark where it was cut."""
    for secret in secrets:
        if len(secret) >= MIN_MASKED:
            text = text.replace(secret.decode(errors="replace"), MASK)
    return text + CUT if cut else text
