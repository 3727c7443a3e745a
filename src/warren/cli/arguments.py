"""Arguments of a verb from the command line. Secrets are only read from a file, a prompt or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from warren.commands.result import CommandError
from warren.commands.schema import Number, Rule, choose
from warren.commands.sealing import secret_names
from warren.commands.verb import Verb
from warren.errors import InputError
from warren.files.bounded_read import read_named

MAX_SECRET_CHARACTERS = 4_096
MAX_SECRET_BYTES = 4 * MAX_SECRET_CHARACTERS + 1


def read_arguments(verb: Verb, words: tuple[str, ...]) -> dict[str, object]:
    """Return the arguments, checked by the verb's schema. Raises InputError, which never holds a secret."""
    rules = {name: rule for schema in verb.schemas for name, rule in schema.rules.items()}
    args = dict(_read(word, rules, secret_names(verb.schemas)) for word in words)
    try:
        choose(verb.schemas, args)
    except CommandError as error:
        raise InputError(f"{verb.name}: {error}", code="command.malformed") from None
    return args


def _read(word: str, rules: dict[str, Rule], secret: frozenset[str]) -> tuple[str, object]:
    name, equals, value = word.partition("=")
    if equals and value.startswith("@"):
        return name, _from_file(name, Path(value[1:]))
    if not equals:
        return name, _prompted(name)
    if name in secret:
        problem = f"{name} is secret, and every process of this host can read a command line"
        hint = f"use {name} alone to be prompted, or {name}=@FILE"
        raise InputError(problem, code="command.malformed", hint=hint)
    return name, _number(value) if isinstance(rules.get(name), Number) else value


def _number(value: str) -> object:
    """Return the value as a number if it is one; else the schema rejects it."""
    for parse in (int, float):
        try:
            return parse(value)
        except ValueError:
            continue
    return value


def _from_file(name: str, path: Path) -> str:
    try:
        return read_named(path, MAX_SECRET_BYTES).decode().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"{name}: {path}: {problem}", code="command.unusable") from error


def _prompted(name: str) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(name, hide_input=True, err=True)
        return answer
    line = next(_lines(), None)
    if line is None:
        raise InputError(f"{name}: expected a value on a line of standard input", code="command.malformed")
    return line


def _lines() -> Iterator[str]:
    if line := sys.stdin.readline(MAX_SECRET_CHARACTERS + 1):
        yield line.removesuffix("\n")
