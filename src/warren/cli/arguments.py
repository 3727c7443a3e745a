"""Arguments of a verb as words of a command line; secrets never are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from warren.commands.result import CommandError
from warren.commands.schema import Number, Rule, choose
from warren.commands.sealed import secret_names
from warren.commands.verbs import Verb
from warren.errors import InputError

MAX_SECRET_CHARACTERS = 4_096


def read_arguments(verb: Verb, words: tuple[str, ...]) -> dict[str, object]:
    """Raises InputError that names all that is wrong; nothing of a secret is in it."""
    rules = {name: rule for schema in verb.schemas for name, rule in schema.rules.items()}
    args = dict(_read(word, rules, secret_names(verb.schemas)) for word in words)
    try:
        choose(verb.schemas, args)
    except CommandError as error:
        raise InputError(f"{verb.name}: {error}", code="command.malformed") from None
    return args


def _read(word: str, rules: dict[str, Rule], secret: frozenset[str]) -> tuple[str, object]:
    name, given, value = word.partition("=")
    if given and value.startswith("@"):
        return name, _from_file(name, Path(value[1:]))
    if not given:
        return name, _asked(name)
    if name in secret:
        problem = f"{name} is secret, and every process of this host can read a command line"
        hint = f"write {name} alone to be asked, or {name}=@FILE"
        raise InputError(problem, code="command.malformed", hint=hint)
    return name, _number(value) if isinstance(rules.get(name), Number) else value


def _number(value: str) -> object:
    """What is no number the schema refuses."""
    for parse in (int, float):
        try:
            return parse(value)
        except ValueError:
            continue
    return value


def _from_file(name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_SECRET_CHARACTERS + 1).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InputError(f"{name}: {path}: {problem}", code="command.unusable") from error


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(name, hide_input=True, err=True)
        return answer
    line = next(_lines(), None)
    if line is None:
        raise InputError(f"{name}: standard input has ended; expected it on a line", code="command.malformed")
    return line


def _lines() -> Iterator[str]:
    if line := sys.stdin.readline(MAX_SECRET_CHARACTERS + 1):
        yield line.removesuffix("\n")
