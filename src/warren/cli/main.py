"""`warren`: what it can do, and how it ends.

Exit status: 0 done, 1 an error that was told, 2 a command line that means nothing, 130 interrupted; a command's own
others stand in its help.
"""

from __future__ import annotations

import importlib
import sys

import click

from warren.cli.output import abandon_output, tell
from warren.cli.program_names import DIALECTS, program_name
from warren.cli.version import say_version
from warren.errors import WarrenError

INTERRUPTED = 130  # 128 and SIGINT, as a shell has it


class Program(click.Group):
    """Imports a command when it is asked for, so that none waits for what another needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a day's work."""
        return list(DIALECTS[ctx.info_name or ""])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        home = DIALECTS[ctx.info_name or ""].get(cmd_name)
        if home is None:
            return None
        module, _, attribute = home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Says which version this is, and ends."""
    if wanted:
        say_version()
        context.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Say which.")
def program() -> None:
    """Keeps a machine on an encrypted network."""


def main() -> int:
    """Runs the command line; returns the exit status."""
    try:
        return program.main(prog_name=program_name(), standalone_mode=False) or 0
    except WarrenError as error:
        tell(str(error), error.hint)
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else program_name()
        tell(_as_clause(error.format_message()), f"see: {where} --help")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        tell("interrupted")
        return INTERRUPTED
    except OSError as error:  # click's own output: its help
        abandon_output()
        tell(f"standard output: {error.strerror}")
        return 1


def _as_clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


if __name__ == "__main__":
    sys.exit(main())
