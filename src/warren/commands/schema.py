"""Closed schemas of arguments: what is not named is refused, and so is what has the wrong type (V-47, G-42).

A schema names each field once, with its rule. The same schema is published by `warren verbs` as JSON Schema.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from warren.commands.result import Code, CommandError


@dataclass(frozen=True, slots=True)
class Text:
    """A text that matches whole; `secret` ones come sealed, and stand in no log."""

    pattern: str
    about: str
    """What would be right, as in "3 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit"."""
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """What is wrong; nothing of the value."""
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII | re.DOTALL):
            return None
        return f"expected {self.about}"

    def document(self) -> dict[str, object]:
        """As JSON Schema (2020-12)."""
        found: dict[str, object] = {"type": "string", "pattern": f"^(?:{self.pattern})$", "description": self.about}
        return found | ({"writeOnly": True} if self.secret else {})


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `least` to `most`; `whole` ones are integers, and true is none."""

    least: float
    most: float
    whole: bool = True
    unit: str = ""
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """What is wrong."""
        kinds = (int,) if self.whole else (int, float)
        if not isinstance(value, bool) and isinstance(value, kinds) and self.least <= value <= self.most:
            return None
        kind = "a whole number" if self.whole else "a number"
        return f"expected {kind} from {self.least:g} to {self.most:g}{self.unit and ' ' + self.unit}"

    def document(self) -> dict[str, object]:
        """As JSON Schema."""
        return {"type": "integer" if self.whole else "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these texts."""

    values: tuple[str, ...]
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """What is wrong."""
        return None if isinstance(value, str) and value in self.values else f"expected {' or '.join(self.values)}"

    def document(self) -> dict[str, object]:
        """As JSON Schema."""
        return {"enum": [*self.values]}


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address, without a length and without a zone."""

    about: str
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """What is wrong."""
        return None if isinstance(value, str) and _is_address(value) else f"expected {self.about}"

    def document(self) -> dict[str, object]:
        """As JSON Schema."""
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}], "description": self.about}


Rule = Text | Number | Choice | Address


@dataclass(frozen=True, slots=True)
class Schema:
    """The arguments of a verb."""

    required: Mapping[str, Rule] = field(default_factory=dict)
    optional: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def rules(self) -> dict[str, Rule]:
        """All of them."""
        return {**self.required, **self.optional}

    @property
    def secrets(self) -> frozenset[str]:
        """The names of secret arguments."""
        return frozenset(name for name, rule in self.rules.items() if rule.secret)

    def problems(self, args: Mapping[str, object], unread: Collection[str] = ()) -> list[str]:
        """Each thing that is wrong, with its name; nothing of a value. Of `unread` ones the name alone counts."""
        found = [f"{name}: is missing" for name in self.required if name not in args]
        for name, value in args.items():
            rule = self.rules.get(name)
            if rule is None:
                found.append(f"{name[:64]!r}: is no argument; expected {', '.join(self.rules) or 'none'}")
            elif name not in unread and (problem := rule.problem(value)):
                found.append(f"{name}: {problem}")
        return found

    def document(self) -> dict[str, object]:
        """As JSON Schema (2020-12)."""
        return {
            "type": "object",
            "properties": {name: rule.document() for name, rule in self.rules.items()},
            "required": [*self.required],
            "additionalProperties": False,
        }


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text.isascii() and "%" not in text


def nearest(schemas: Sequence[Schema], args: Mapping[str, object]) -> Schema:
    """Of several the one whose names these are nearest to: it is the one that was meant (X-06)."""
    return min(schemas, key=lambda schema: len(set(schema.rules) ^ set(args)))


def choose(schemas: Sequence[Schema], args: Mapping[str, object], unread: Collection[str] = ()) -> Schema:
    """The one that these arguments fit; `unread` are sealed still.

    Raises CommandError VALIDATION_FAILED, which names all that is wrong.
    """
    schema = nearest(schemas, args)
    if problems := schema.problems(args, unread):
        raise CommandError(Code.VALIDATION_FAILED, "; ".join(problems))
    return schema
