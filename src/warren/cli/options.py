"""Options that several commands share, with their meaning and defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from warren.cli.help import Option
from warren.config.defaults import Defaults, defaults_for

Command = TypeVar("Command", bound=Callable[..., object])

ROOT_KEY = "warren.root"
PATH = click.Path(path_type=Path)


def config_options(command: Command) -> Command:
    """Add `--config` and `--root`, passed as `config` and `root`."""
    path = click.Path(path_type=Path, readable=False)  # the reader reports why it cannot open it, and may have a helper
    config = click.option(
        "-c",
        "--config",
        cls=Option,
        metavar="FILE",
        type=path,
        help="Configuration file of the agent.",
        default_text=lambda context: _defaults_in(context).config,
    )
    return config(root_option(command))


def root_option(command: Command) -> Command:
    """Add `--root`, passed as `root`."""
    return _root()(command)


def _root(**settings: object) -> Callable[[Command], Command]:
    text = "Prefix absolute paths with DIR."
    return click.option("--root", cls=Option, metavar="DIR", default="", help=text, default_text="/", **settings)


def own_defaults(root: str) -> Defaults:
    """Return the defaults of the running program, below the directory `root`."""
    return _defaults_in(click.get_current_context(), str(Path(root).absolute()) if root else "")


def _defaults_in(context: click.Context, root: str = "") -> Defaults:
    return defaults_for(context.find_root().info_name or "", root)


def config_path(config: Path | None, defaults: Defaults) -> Path:
    """Return the configuration file to read. A relative path is not prefixed with `--root`."""
    if config is None:
        return Path(defaults.config)
    return Path(f"{defaults.root}{config}") if config.is_absolute() else config


def socket_option(command: Command) -> Command:
    """Add `--socket` and `--root`, passed together as `socket`."""
    option = click.option(
        "--socket",
        cls=Option,
        metavar="PATH",
        type=PATH,
        callback=_socket,
        help="Control socket of the agent.",
        default_text=lambda context: _defaults_in(context).socket,
    )
    root = _root(is_eager=True, expose_value=False, callback=_keep_root)
    return option(root(command))


def _keep_root(context: click.Context, _option: click.Parameter, root: str) -> None:
    context.meta[ROOT_KEY] = root


def _socket(context: click.Context, _option: click.Parameter, path: Path | None) -> Path:
    return path or Path(own_defaults(context.meta[ROOT_KEY]).socket)


def json_option(command: Command) -> Command:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def output_option(default_text: str) -> Callable[[Command], Command]:
    """Return an option `--output` for a file that must not exist yet, passed as `output`."""
    return click.option(
        "-o",
        "--output",
        cls=Option,
        metavar="FILE",
        type=PATH,
        help="Write to FILE; never overwrites.",
        default_text=default_text,
    )
