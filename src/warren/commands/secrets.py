"""Secret arguments and answers: opened and sealed where the verb is carried out, and struck out of all that leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from warren.commands.command import VerifiedCommand
from warren.commands.result import Code, CommandError, Status
from warren.commands.sealed import DATA, seal_members, secret_names
from warren.commands.verbs import Data, Verb

MASK = b"***"
CUT = "\n[cut]"
"""Ends a text of which more was said than is kept (V-73)."""
MIN_MASKED = 4  # a shorter one would strike out half of every text, and no password is so short

Unseal = Callable[[str, str, str], bytes]
"""The octets of a sealed argument: its text, the corr_id and the argument's name. Raises ValueError."""
SealingKeyOf = Callable[[str], bytes | None]
"""The X25519 key of an operator, by id, that what is secret of an answer is sealed to."""


def opened(command: VerifiedCommand, verb: Verb, unseal: Unseal) -> dict[str, object]:
    """All arguments in plain. Raises CommandError VALIDATION_FAILED for one that was not sealed to this node."""
    secret = secret_names(verb.schemas)
    return {
        name: _open(name, value, command.corr_id, unseal) if name in secret else value
        for name, value in command.args.items()
    }


def _open(name: str, value: object, corr_id: str, unseal: Unseal) -> object:
    match value:
        case {"sealed": str(text)}:
            try:
                return unseal(text, corr_id, name).decode()
            except ValueError:
                problem = f"{name}: is not sealed to this node for this command"
                raise CommandError(Code.VALIDATION_FAILED, problem) from None
    return value


def sealed(command: VerifiedCommand, verb: Verb, data: Data, key_of: SealingKeyOf) -> dict[str, object]:
    """An answer as it may leave. Raises CommandError EXEC_FAILED where there is nobody to seal a secret to."""
    secret = {name for name in verb.secret_data & set(data) if not isinstance(data[name], Mapping)}
    if not secret:
        return dict(data)
    key = key_of(command.actor.id) if command.has_intent else None
    if key is None:
        problem = f"{', '.join(sorted(secret))}: is secret, and {command.actor.id} has no key to seal it to"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return seal_members(data, secret, key, command.corr_id, DATA)


class Mask:
    """Strikes secrets out of octets that come in pieces; one that comes in two pieces too."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = [secret for secret in secrets if len(secret) >= MIN_MASKED]
        self._held = b""

    def feed(self, octets: bytes) -> bytes:
        """What may be shown by now."""
        text = self._struck(self._held + octets)
        kept = max((_overlap(text, secret) for secret in self._secrets), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def end(self) -> bytes:
        """The rest."""
        held, self._held = self._held, b""
        return held

    def _struck(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _overlap(text: bytes, secret: bytes) -> int:
    """How much of the end of the text may be a secret's beginning."""
    return next((n for n in range(min(len(secret) - 1, len(text)), 0, -1) if text.endswith(secret[:n])), 0)


def masked(text: str, secrets: Sequence[bytes], *, cut: bool = False) -> str:
    """Without any of them, and with a mark where it was cut."""
    mask = Mask(secrets)
    shown = (mask.feed(text.encode()) + mask.end()).decode(errors="replace")
    return shown + CUT if cut else shown
