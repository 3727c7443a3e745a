"""Options that several commands have, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from warren.config.defaults import Defaults, defaults_for

Command = TypeVar("Command", bound=Callable[..., object])

ROOT_HELP = "Put DIR before every absolute path."
ROOT_KEY = "warren.root"


def config_options(command: Command) -> Command:
    """`--config` and `--root`, as `config` and `root`."""
    command = click.option("--root", metavar="DIR", default="", help=ROOT_HELP)(command)
    path = click.Path(path_type=Path, readable=False)  # who opens it says why it cannot, and may have a helper
    return click.option("-c", "--config", metavar="FILE", type=path, help="The agent's configuration.")(command)


def own_defaults(root: str) -> Defaults:
    """Those of the name that this program was started by."""
    name = click.get_current_context().find_root().info_name
    return defaults_for(name or "", str(Path(root).absolute()) if root else "")


def config_path(config: Path | None, defaults: Defaults) -> Path:
    """The file to read. A relative path is taken as it stands."""
    if config is None:
        return Path(defaults.config)
    return Path(f"{defaults.root}{config}") if config.is_absolute() else config


def socket_option(command: Command) -> Command:
    """`--socket` and `--root`, as the one `socket` to ask."""
    path = click.Path(path_type=Path)
    option = click.option("--socket", metavar="PATH", type=path, callback=_socket, help="The agent's control socket.")
    root = click.option(
        "--root", metavar="DIR", default="", is_eager=True, expose_value=False, callback=_keep_root, help=ROOT_HELP
    )
    return root(option(command))


def _keep_root(context: click.Context, _option: click.Parameter, root: str) -> None:
    context.meta[ROOT_KEY] = root


def _socket(context: click.Context, _option: click.Parameter, path: Path | None) -> Path:
    return path or Path(own_defaults(context.meta[ROOT_KEY]).socket)


def json_option(command: Command) -> Command:
    """`--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")(command)
