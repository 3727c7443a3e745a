"""Which arguments of a command stand in the log: by the schema of its verb, never by their name (G-47)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

ALLOWED = {"create_openvpn_user": frozenset({"username"})}
"""Verbs of which less is written than their schema would let: an e-mail address is no secret, but a person's."""


class Rule(Protocol):
    """What a schema says of an argument."""

    @property
    def secret(self) -> bool:
        """Whether it may stand nowhere."""

    def problem(self, value: object) -> str | None:
        """Why a value is none of it."""


def permitted(verb: str, args: Mapping[str, object], rules: Mapping[str, Rule]) -> dict[str, object]:
    """The arguments that may be written down, in the order of the schema.

    Of a value that its rule refuses nothing is: it could be anything, of any length, and in the wrong place.
    """
    names = [name for name, rule in rules.items() if not rule.secret and name in ALLOWED.get(verb, rules)]
    return {name: args[name] for name in names if name in args and rules[name].problem(args[name]) is None}
