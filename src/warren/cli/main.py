"""`warren`: the root of the command line.

Exit status: 0 success, 1 a reported error, 2 a usage error, 130 interrupted. Other codes are in a command's help.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable, Mapping

import click

from warren.cli.help import Group
from warren.cli.output import abandon_output, report, report_crash, report_thread_crash, write_error
from warren.cli.program_names import SECTIONS_OF_PROGRAM, commands_of, program_name
from warren.cli.version import print_version
from warren.errors import WarrenError

INTERRUPTED = 130  # 128 and SIGINT, as in a shell
CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}


class Program(Group):
    """The root command. It imports a subcommand when it is asked for, so that no command loads another's modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of this program's commands."""
        return [*commands_of(ctx.info_name or "")]

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        """Return the names of this program's commands by the title of their section."""
        return SECTIONS_OF_PROGRAM[ctx.info_name or ""]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if this program has none of that name."""
        place = commands_of(ctx.info_name or "").get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the version and exit, if `--version` is given."""
    if wanted:
        print_version()
        context.exit()


@click.group(
    cls=Program,
    context_settings=CONTEXT,
    examples=("warren status", "warren doctor", "warren rotate-keys --help"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version."
)
def program() -> None:
    """Manage WireGuard tunnels, the agent of this host, and signed commands."""


def main() -> int:
    """Run the command line and return the exit status."""
    sys.excepthook = report_crash
    threading.excepthook = report_thread_crash
    try:
        return program.main(prog_name=program_name(), standalone_mode=False) or 0
    except WarrenError as error:
        report(str(error), error.hint)
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        write_error(f"{error.format_message()}\n")
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else program_name()
        report(_as_clause(error.format_message()), f"see: {where} --help")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        report("interrupted")
        return INTERRUPTED
    except OSError as error:  # click writes help pages itself
        abandon_output()
        report(f"standard output: {error.strerror}")
        return 1


def _as_clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


if __name__ == "__main__":
    sys.exit(main())
