"""Closed schemas of arguments: an unknown name is an error, and so is a wrong type (V-47, G-42).

A schema names each field once, with its rule. The same schema is published by `warren verbs` as JSON Schema.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from warren.commands.result import Code, CommandError
from warren.errors import redacted_repr
from warren.reserved_names import ReservedNames


@dataclass(frozen=True)
class Text:
    """A text that matches a pattern as a whole; a `secret` one arrives sealed and is never logged."""

    pattern: str
    expected: str
    """The expected form, as in "3 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit"."""
    secret: bool = False
    reserved: ReservedNames | None = None
    """The names that the system that gets this text reserves."""

    def problem(self, value: object) -> str | None:
        """Return what is expected instead, or None; the text holds nothing of the value."""
        if not isinstance(value, str) or not self._compiled.fullmatch(value):
            return f"expected {self.expected}"
        meaning = None if self.reserved is None else self.reserved.meaning(value)
        return None if meaning is None else f"is reserved for {meaning}; expected another name"

    def document(self) -> dict[str, object]:
        """Return the rule as JSON Schema (2020-12)."""
        document: dict[str, object] = {
            "type": "string",
            "pattern": f"^(?:{self.pattern})$",
            "description": self.expected,
        }
        if self.reserved is not None:
            document["not"] = {"pattern": f"^(?:{self.reserved.pattern()})$"}
        return document | ({"writeOnly": True} if self.secret else {})

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `least` to `most`, an integer if `whole`; a boolean is not a number."""

    least: float
    most: float
    whole: bool = True
    unit: str = ""
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """Return what is expected instead, or None."""
        kinds = (int,) if self.whole else (int, float)
        if not isinstance(value, bool) and isinstance(value, kinds) and self.least <= value <= self.most:
            return None
        kind = "a whole number" if self.whole else "a number"
        return f"expected {kind} from {self.least:g} to {self.most:g}{self.unit and ' ' + self.unit}"

    def document(self) -> dict[str, object]:
        """Return the rule as JSON Schema."""
        return {"type": "integer" if self.whole else "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these texts."""

    values: tuple[str, ...]
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """Return what is expected instead, or None."""
        return None if isinstance(value, str) and value in self.values else f"expected {' or '.join(self.values)}"

    def document(self) -> dict[str, object]:
        """Return the rule as JSON Schema."""
        return {"enum": [*self.values]}


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address without prefix length and zone."""

    expected: str
    secret: bool = False

    def problem(self, value: object) -> str | None:
        """Return what is expected instead, or None."""
        return None if isinstance(value, str) and _is_address(value) else f"expected {self.expected}"

    def document(self) -> dict[str, object]:
        """Return the rule as JSON Schema."""
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}], "description": self.expected}


Rule = Text | Number | Choice | Address


@dataclass(frozen=True)
class Schema:
    """The arguments of a verb."""

    required: Mapping[str, Rule] = field(default_factory=dict)
    optional: Mapping[str, Rule] = field(default_factory=dict)

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """All rules, by name."""
        return {**self.required, **self.optional}

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The names of secret arguments."""
        return frozenset(name for name, rule in self.rules.items() if rule.secret)

    def problems(self, args: Mapping[str, object], sealed: Collection[str] = ()) -> list[str]:
        """Return every problem with the name of its argument; of `sealed` ones only the name is checked."""
        problems = [f"{name}: is missing" for name in self.required if name not in args]
        for name, value in args.items():
            rule = self.rules.get(name)
            if rule is None:
                problems.append(
                    f"{redacted_repr(name, 64)}: unknown argument; expected {', '.join(self.rules) or 'none'}"
                )
            elif name not in sealed and (problem := rule.problem(value)):
                problems.append(f"{name}: {problem}")
        return problems

    def document(self) -> dict[str, object]:
        """Return the schema as JSON Schema (2020-12)."""
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
    """Return the schema whose names are nearest to these arguments: the one that was meant (X-06)."""
    return min(schemas, key=lambda schema: len(schema.rules.keys() ^ args.keys()))


def choose(schemas: Sequence[Schema], args: Mapping[str, object], sealed: Collection[str] = ()) -> Schema:
    """Return the schema that the arguments fit; `sealed` ones are not opened yet.

    Raises:
        CommandError: VALIDATION_FAILED, with every problem.
    """
    schema = nearest(schemas, args)
    if problems := schema.problems(args, sealed):
        raise CommandError(Code.VALIDATION_FAILED, "; ".join(problems))
    return schema
