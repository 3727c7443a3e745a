"""`warren`: what it can do, and how it ends.

Exit status: 0 done, 1 an error that was told, 2 a command line that means nothing, 130 interrupted; a command's own
others stand in its help.
"""

from __future__ import annotations

import importlib
import sys

import click

from warren._core import __version__
from warren.cli.output import abandon_output, tell, write
from warren.errors import WarrenError

HOMES = {
    "agent": "warren.cli.agent:agent",
    "status": "warren.cli.status:status",
    "list": "warren.cli.network:list_networks",
    "peers": "warren.cli.network:peers",
    "connect": "warren.cli.network:connect",
    "disconnect": "warren.cli.network:disconnect",
    "rotate-keys": "warren.cli.network:rotate_keys",
    "info": "warren.cli.network:info",
    "validate": "warren.cli.validate:validate",
    "config": "warren.cli.config:config",
    "up": "warren.cli.interface:up",
    "down": "warren.cli.interface:down",
    "genkey": "warren.cli.key:genkey",
    "pubkey": "warren.cli.key:pubkey",
    "genpsk": "warren.cli.key:genpsk",
}
INTERRUPTED = 130  # 128 and SIGINT, as a shell has it


class Program(click.Group):
    """Imports a command when it is asked for, so that none waits for what another needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, click's signature
        """In the order of a day's work."""
        return list(HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, click's signature
        """The command of that name."""
        if cmd_name not in HOMES:
            return None
        module, _, attribute = HOMES[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Says which version this is, and ends."""
    if wanted:
        write(f"warren {__version__}\n")
        context.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Say which.")
def program() -> None:
    """Keeps a machine on an encrypted network."""


def main() -> int:
    """Runs the command line; returns the exit status."""
    try:
        return program.main(prog_name="warren", standalone_mode=False) or 0
    except WarrenError as error:
        tell(str(error), error.remedy)
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "warren"
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
