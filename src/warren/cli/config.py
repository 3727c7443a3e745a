"""`warren config`: show the effective configuration, import from wg-quick and export to it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from warren.agent.config import AgentConfig, config_sections
from warren.agent.io.config_file import read_config
from warren.agent.io.key_ring import read_keys
from warren.cli.help import Group, Option
from warren.cli.key import warn_if_world_readable
from warren.cli.options import config_options, config_path, output_option, own_defaults, root_option
from warren.cli.output import report, warn, write
from warren.config.overrides import LOG_LEVEL, overrides, verbosity
from warren.config.toml_writer import encode_toml
from warren.errors import StateError
from warren.privsep.io.privileged_ops import DirectKeyAccess
from warren.tunnel.io.conffile import interface_name, read_conf
from warren.tunnel.io.wgquick_files import write_files
from warren.tunnel.network_table import network_sections
from warren.tunnel.wgquick import encode_wgquick
from warren.tunnel.wgquick_import import network_from_wgquick, network_to_wgquick


@click.group(cls=Group, examples=("warren config show", "warren config import /etc/wireguard/wg0.conf"))
def config() -> None:
    """Show the configuration; import and export wg-quick files."""


@config.command(examples=("warren config show", "warren config show --origin"))
@config_options
@click.option("--origin", is_flag=True, help="Show each value's source.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log level of `agent start --verbose`.")
def show(config: Path | None, root: str, origin: bool, verbose: bool) -> None:
    """Show the effective configuration as TOML.

    Flags override the environment, the environment overrides the file, and the file overrides defaults.
    """
    defaults = own_defaults(root)
    flags = overrides(AgentConfig, {LOG_LEVEL: verbosity(verbose)}, os.environ)
    effective = read_config(config_path(config, defaults), defaults, flags)
    sections = [*config_sections(effective, defaults.root)]
    defaulted = {f"{section.key}.{key}": "default" for section in sections for key in section.values}
    write(encode_toml(sections, defaulted | dict(effective.origins) if origin else {}))


@config.command(
    "import",
    examples=(
        "warren config import /etc/wireguard/wg0.conf",
        "warren config import wg0.conf --network home --output home.toml",
    ),
)
@click.argument("file", metavar="FILE.conf", type=click.Path(path_type=Path))
@click.option("--network", cls=Option, metavar="NAME", help="Name of the network.", default_text="name of the file")
@click.option(
    "--keys", cls=Option, metavar="DIR", help="Directory for key files.", default_text="directory of the agent's keys"
)
@output_option("standard output")
@root_option
def import_conf(file: Path, network: str | None, keys: str | None, output: Path | None, root: str) -> None:
    """Convert a wg-quick file to a network of the agent.

    Keys are written to key files with mode 0600, never into the configuration.
    """
    defaults = own_defaults(root)
    conf = read_conf(file)
    for warning in conf.warnings:
        warn(warning)
    directory = os.path.abspath(keys) if keys else defaults.keys.removeprefix(defaults.root)  # noqa: PTH100, without ..
    imported = network_from_wgquick(conf.content, network or interface_name(file), directory, str(file))
    text = encode_toml([*network_sections(imported.network)])
    for path in write_files(imported, defaults.root, None if output is None else (output, text)):
        report(f"created {path}")
    if output is None:
        write(text)


@config.command("export", examples=("(umask 077; warren config export home > home.conf)",))
@click.argument("network", metavar="NETWORK")
@config_options
def export_conf(network: str, config: Path | None, root: str) -> None:
    """Convert a network of the agent to a wg-quick file.

    The file contains the private key: keep it readable by its owner only.
    """
    defaults = own_defaults(root)
    effective = read_config(config_path(config, defaults), defaults)
    wanted = effective.network(network)
    if wanted is None:
        known = ", ".join(candidate.name for candidate in effective.networks) or "none"
        problem = f"{effective.source} has no network {network}; known networks: {known}"
        raise StateError(problem, code="network.unknown", hint="")
    text = encode_wgquick(network_to_wgquick(wanted, read_keys(wanted, DirectKeyAccess())))
    warn_if_world_readable()
    write(text)
