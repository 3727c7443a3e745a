"""Redaction: a verb's schema decides which arguments are logged, never their names (G-47)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

ALLOWLISTS = {"create_openvpn_user": frozenset({"username"})}
"""Verbs that log fewer arguments than their schema allows: an e-mail address is not secret, but personal data."""


class Rule(Protocol):
    """The rule of a schema for one argument."""

    @property
    def secret(self) -> bool:
        """Return whether the argument must not be logged."""

    def problem(self, value: object) -> str | None:
        """Return why a value is invalid, or None."""


def loggable_arguments(verb: str, args: Mapping[str, object], rules: Mapping[str, Rule]) -> dict[str, object]:
    """Return the arguments that may be logged, in the order of the schema.

    An invalid value is omitted: it can be of any length, and a secret in the wrong field.
    """
    names = [name for name, rule in rules.items() if not rule.secret and name in ALLOWLISTS.get(verb, rules)]
    return {name: args[name] for name in names if name in args and rules[name].problem(args[name]) is None}
