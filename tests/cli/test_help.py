"""Help pages: whole summaries in groups, defaults, examples; for each program name and width."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from warren.cli.help import Command, Group, summary
from warren.cli.main import CONTEXT, program
from warren.cli.program_names import SECTIONS_OF_PROGRAM, for_program

pytestmark = pytest.mark.unit

SECTIONS = ["Tunnels", "Agent", "Commands", "Trust", "Diagnostics"]
PROGRAMS = [*SECTIONS_OF_PROGRAM]


def contexts(name: str, width: int = 80) -> Iterator[click.Context]:
    """Yield the context of the root command and of every command below it."""
    root = click.Context(program, info_name=name, terminal_width=width, max_content_width=width, **CONTEXT)  # type: ignore[arg-type]
    yield root
    yield from below(root)


def below(context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of all commands below a group."""
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            inner = click.Context(command, info_name=name, parent=context)
            yield inner
            yield from below(inner)


@pytest.mark.parametrize("name", PROGRAMS)
def test_root_help_lists_commands_in_five_groups(name: str) -> None:
    page = next(contexts(name)).get_help().splitlines()
    assert [line.removesuffix(":") for line in page if line.removesuffix(":") in SECTIONS] == SECTIONS
    listed = [line.split()[0] for line in page if line.startswith("  ") and line.split()[0] in all_names(name)]
    assert listed == all_names(name)


def all_names(name: str) -> list[str]:
    """Return the commands of a program in order."""
    return [command for commands in SECTIONS_OF_PROGRAM[name].values() for command in commands]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_summary_is_one_whole_line_of_80_columns(name: str) -> None:
    for context in contexts(name):
        if isinstance(context.command, Group):
            page = context.get_help().splitlines()
            for inner in below(context):
                if inner.parent is context:
                    line = next(line for line in page if line.startswith(f"  {inner.info_name} "))
                    assert line.endswith(f"  {summary(inner.command)}")
                    assert summary(inner.command).endswith(".")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_help_page_ends_with_examples_of_its_program(name: str) -> None:
    for context in contexts(name):
        assert isinstance(context.command, Command | Group), context.command_path
        *_, last = context.command.examples
        assert context.get_help().endswith(for_program(last, name)), context.command_path
        own = name == "warren" or not re.search(
            rf"(^|[ `])warren ({'|'.join(all_names(name))})[ `]", context.get_help().partition("\nOptions:")[0]
        )
        assert own, context.command_path


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_with_a_value_shows_its_default(name: str) -> None:
    for context in contexts(name):
        for parameter in context.command.get_params(context):
            if not isinstance(parameter, click.Option) or parameter.is_flag or parameter.required:
                continue
            record = parameter.get_help_record(context)
            assert record is not None
            assert "[default: " in record[1], (context.command_path, parameter.opts)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_help_page_is_cut_or_wider_than_the_terminal(width: int) -> None:
    for context in contexts("warren", width):
        page, _, _ = context.get_help().partition("\nExamples:\n")
        whole = "".join(page.split())
        for inner in below(context):
            if inner.parent is context:
                assert "".join(summary(inner.command).split()) in whole
        assert max(map(len, page.splitlines())) <= max(width, 80)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warren agent start --verbose", "harmony-agent start --verbose"),
        ("warren genkey | warren pubkey", "harmony-agent genkey | harmony-agent pubkey"),
        ("cat /etc/warren/agent.toml", "cat /etc/warren/agent.toml"),
        ("start it: `warren agent start`", "start it: `harmony-agent start`"),
        ("warren up wg0.conf", "warren up wg0.conf"),
    ],
)
def test_for_program_replaces_program_name(text: str, expected: str) -> None:
    assert for_program(text, "harmony-agent") == expected
    assert for_program(text, "warren") == text
