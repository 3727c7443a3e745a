"""`warren verbs`: what signed commands can ask of a node."""

from __future__ import annotations

import json

import click

from warren.cli.options import json_option
from warren.cli.output import write
from warren.commands.registry import VERBS
from warren.commands.schema import Schema
from warren.commands.verbs import Verb


@click.command()
@json_option
def verbs(as_json: bool) -> None:
    """List every verb with its arguments; --json has them as JSON Schema (2020-12)."""
    if as_json:
        write(json.dumps({name: _document(verb) for name, verb in VERBS.items()}, indent=2) + "\n")
    else:
        write("".join(_in_words(verb) for verb in VERBS.values()))


def _document(verb: Verb) -> dict[str, object]:
    schemas = [schema.document() for schema in verb.schemas]
    return {
        "about": verb.about,
        "read_only": verb.read_only,
        "arguments": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "secret_data": sorted(verb.secret_data),
    }


def _in_words(verb: Verb) -> str:
    reads = " (reads only)" if verb.read_only else ""
    lines = [f"{verb.name}{reads}: {verb.about}", *(f"    {_arguments(schema)}" for schema in verb.schemas)]
    return "".join(f"{line}\n" for line in lines)


def _arguments(schema: Schema) -> str:
    names = [*schema.required, *(f"[{name}]" for name in schema.optional)]
    secret = f"   secret: {', '.join(sorted(schema.secrets))}" if schema.secrets else ""
    return (" ".join(names) or "takes no argument") + secret
