"""`warren verbs`: the verbs of signed commands."""

from __future__ import annotations

import json

import click

from warren.cli.help import Command
from warren.cli.options import json_option
from warren.cli.output import write
from warren.commands.registry import VERBS
from warren.commands.schema import Schema
from warren.commands.verb import Verb


@click.command(cls=Command, examples=("warren verbs", "warren verbs --json"))
@json_option
def verbs(as_json: bool) -> None:
    """List the verbs of signed commands and their arguments.

    With --json, arguments are JSON Schema (2020-12).
    """
    if as_json:
        write(json.dumps({name: _as_object(verb) for name, verb in VERBS.items()}, indent=2) + "\n")
    else:
        write("".join(_as_text(verb) for verb in VERBS.values()))


def _as_object(verb: Verb) -> dict[str, object]:
    schemas = [schema.document() for schema in verb.schemas]
    return {
        "summary": verb.summary,
        "read_only": verb.read_only,
        "arguments": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "secret_data": sorted(verb.secret_data),
    }


def _as_text(verb: Verb) -> str:
    mode = " (read-only)" if verb.read_only else ""
    lines = [f"{verb.name}{mode}: {verb.summary}", *(f"    {_arguments(schema)}" for schema in verb.schemas)]
    return "".join(f"{line}\n" for line in lines)


def _arguments(schema: Schema) -> str:
    names = [*schema.required, *(f"[{name}]" for name in schema.optional)]
    secret = f"   secret: {', '.join(sorted(schema.secrets))}" if schema.secrets else ""
    return (" ".join(names) or "no arguments") + secret
