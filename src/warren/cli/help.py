"""Help pages: commands in sections, the default of every option, and examples at the end.

No text is cut: what is wider than the terminal is wrapped, apart from examples, which are there to be copied.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
from click.types import OptionHelpExtra

from warren.cli.program_names import for_program


class Option(click.Option):
    """An option whose default depends on the program name or the host; `default_text` describes it."""

    def __init__(self, *args: Any, default_text: str | Callable[[click.Context], str], **others: Any) -> None:
        super().__init__(*args, **others)
        self._default_text = default_text

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return click's remarks on this option, with the description of its default."""
        extra = super().get_help_extra(ctx)
        extra["default"] = self._default_text if isinstance(self._default_text, str) else self._default_text(ctx)
        return extra


class Command(click.Command):
    """A command whose help page ends with examples: lines that start with `warren`.

    The page has the name of the running program in place of `warren`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **others: Any) -> None:
        super().__init__(*args, **others)
        self.examples = tuple(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(for_program(inspect.cleandoc(self.help or ""), _program_of(ctx)))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are: they are there to be copied."""
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{for_program(line, _program_of(ctx))}\n")


class Group(Command, click.Group):
    """A command with subcommands, listed in the order of their definition, each with its whole summary."""

    command_class = Command
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, click's signature
        """Return the names of the subcommands in the order of their definition."""
        return list(self.commands)

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        """Return the names of the subcommands by the title of their section."""
        return {"Commands": self.list_commands(ctx)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each subcommand, in aligned sections."""
        width = max(map(len, self.list_commands(ctx)))
        for title, names in self.sections(ctx).items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name.ljust(width), summary(command)) for name, command in commands if command is not None]
            with formatter.section(title):
                formatter.write_dl(rows)


def summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help on one line."""
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _program_of(context: click.Context) -> str:
    return context.find_root().info_name or "warren"
