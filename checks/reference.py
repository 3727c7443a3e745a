"""Generate the reference pages under `docs/reference/` from the code: `python -m checks.reference --write`.

Without `--write` it names each page that differs from what the code says, and returns 1 if there is one. Each page is
one entry of `PAGES`.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from checks import local_api
from checks.markdown import NOTE, table
from checks.reference_configuration import configuration_page
from warren import errors
from warren.cli.main import program
from warren.telemetry import conditions, metrics

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def main() -> int:
    """Write the pages, or name those that are stale."""
    if "--write" in sys.argv[1:]:
        REFERENCE.mkdir(exist_ok=True)
        for name, render in PAGES.items():
            (REFERENCE / name).write_text(render())
        return 0
    stale = list(stale_pages())
    print(*(f"docs/reference/{name} is stale: python -m checks.reference --write" for name in stale), sep="\n")
    return 1 if stale else 0


def stale_pages() -> Iterator[str]:
    """Yield the names of pages that differ from what the code says."""
    for name, render in PAGES.items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text() != render():
            yield name


def errors_page() -> str:
    """Render every error code with the class that raises it and its hint."""
    classes = raised_codes()
    rows = [
        (f"`{code}`", ", ".join(f"`{name}`" for name in sorted(classes.get(code, ()))), hint or "(in the error's text)")
        for code, hint in sorted(errors.HINTS.items())
    ]
    kinds = [
        (f"`{kind.__name__}`", kind.fault.value, first_sentence(kind.__doc__ or ""))
        for kind in subclasses(errors.WarrenError)
    ]
    return (
        f"# Errors\n\n{NOTE}\n"
        "Every error has a class, a code that never changes, a problem in one sentence and a hint. The command\n"
        "line prints the problem and the hint; the control socket and the Python API carry both.\n"
        "Codes of refused commands (`REPLAY_DETECTED` and others) are in [the protocol](../protocol/errors.md).\n\n"
        f"## Classes\n\n{table(('class', 'at fault', 'meaning'), kinds)}\n"
        f"## Codes\n\n{table(('code', 'class', 'hint'), rows)}"
    )


def subclasses(kind: type[errors.WarrenError]) -> list[type[errors.WarrenError]]:
    """Return every error class below `kind`, in the order of the module."""
    return [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, kind) and found is not kind
    ]


def raised_codes() -> Mapping[str, set[str]]:
    """Return, by error code, the classes that are raised with it as a literal in the Python sources."""
    classes: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "src" / "warren").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    classes[str(keyword.value.value)].add(node.func.id)
    return classes


def first_sentence(docstring: str) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(docstring.partition("\n\n")[0].split())


def metrics_page() -> str:
    """Render the table of metrics."""
    sets = (
        ("Warren's own names", metrics.WARREN),
        ("Names of the harmony-agent interface", metrics.HARMONY_AGENT),
        ("Names of the Privateer interface", metrics.PRIVATEER),
    )
    heads = ("metric", "type", "meaning")
    parts = "\n".join(
        f"## {heading}\n\n{table(heads, [(f'`{row.name}`', row.kind.value, row.help) for row in rows])}"
        for heading, rows in sets
    )
    return (
        f"# Metrics\n\n{NOTE}\n"
        "`GET /metrics` on the local HTTP listener returns these in Prometheus' text format, or in OpenMetrics to a\n"
        "client that asks for it. Per-network metrics carry the label `network`, per-peer metrics also `peer`:\n"
        "the peer's name, or its public key where it has no name of its own. A value that is not known has no sample.\n"
        "The names of the other interfaces are exported with `[metrics] aliases = true`.\n\n"
        f"{parts}"
    )


def conditions_page() -> str:
    """Render the registry of conditions."""
    heads = ("condition", "health", "meaning", "hint")
    rows = [(f"`{row.name}`", row.severity.value, row.meaning, row.hint) for row in conditions.ROWS]
    return (
        f"# Conditions\n\n{NOTE}\n"
        "A condition is something about a running agent that an administrator should look at. `warren status`\n"
        "prints it, `/healthz` lists it, the metric `warren_conditions` counts it and the log has it, each by the\n"
        "same name. `degraded` lowers the agent's health to at best degraded; `info` leaves it as it is.\n\n"
        f"{table(heads, rows)}"
    )


def local_api_page() -> str:
    """Render the actions of the control socket and the routes of the local HTTP."""
    sources = ROOT / "src" / "warren"
    actions = [local_api.action_cells(row) for row in local_api.rows("Action", sources)]
    local = [local_api.route_cells(row) for row in local_api.rows("Route", sources / "localapi")]
    bootstrap = [local_api.route_cells(row) for row in local_api.rows("Route", sources / "commands")]
    heads = ("method", "path", "permission", "meaning")
    return (
        f"# Local API\n\n{NOTE}\n{local_api.introduction()}\n"
        f"## Actions\n\n{table(('action', 'group', 'config', 'data', 'log event', 'meaning'), actions)}\n"
        f"## Error types\n\n{table(('type', 'meaning'), local_api.error_cells())}\n"
        "## Local HTTP\n\n"
        "The permission is that of the action on the control socket: of the process at the other end of the Unix\n"
        "socket, or, over TCP, of the token. `[http] token` has the permissions of the read group, and\n"
        f"`[http] admin_token` has all.\n\n{table(heads, local)}\n"
        "## Bootstrap endpoint\n\nIt is served only on the Unix socket `[services] bootstrap_socket`.\n\n"
        f"{table(heads[:2] + heads[3:], [(method, path, text) for method, path, _, text in bootstrap])}"
    )


def cli_page() -> str:
    """Render every command of `warren` with its options."""
    context = click.Context(program, info_name="warren", **program.context_settings)
    return (
        f"# Command line\n\n{NOTE}\n"
        "Exit status: 0 success, 1 an error that was reported, 2 invalid usage, 130 interrupted; others are listed\n"
        "with their command. `harmony-agent` has the same commands, with those of `warren agent` at the top level.\n\n"
        + "\n".join(command_sections(program, context))
    )


def command_sections(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield one section for each command below `group`."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
        text = paragraphs(command.help or "")
        parameters = (parameter for parameter in command.get_params(inner) if isinstance(parameter, click.Option))
        records = [record for parameter in parameters if (record := parameter.get_help_record(inner))]
        options = [(f"`{flags}`", meaning) for flags, meaning in records if "--help" not in flags]
        examples = "\n".join(getattr(command, "examples", ()))
        yield (
            f"## {inner.command_path}\n\n```text\n{usage}\n```\n\n{text}\n"
            + (f"\n{table(('option', 'meaning'), options)}" if options else "")
            + f"\nExamples:\n\n```sh\n{examples}\n```\n"
        )
        if isinstance(command, click.Group):
            yield from command_sections(command, inner)


def paragraphs(text: str) -> str:
    """Return help as paragraphs; a block that click leaves as it is becomes a block of code."""
    parts = []
    for part in text.strip().split("\n\n"):
        lines = part.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            block = "\n".join(line.strip() for line in lines[1:])
            parts.append(f"```text\n{block}\n```")
        else:
            parts.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "conditions.md": conditions_page,
    "configuration.md": configuration_page,
    "errors.md": errors_page,
    "local-api.md": local_api_page,
    "metrics.md": metrics_page,
}

if __name__ == "__main__":
    sys.exit(main())
