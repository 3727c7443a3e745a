"""`warren config`: what counts, and networks from wg-quick and to it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from warren.agent.config_sections import agent_sections
from warren.agent.io.config_file import read_config
from warren.agent.io.key_ring import read_keys
from warren.cli.key import warn_if_world_readable
from warren.cli.options import config_options, config_path, own_defaults
from warren.cli.output import report, warn, write
from warren.config.io.wgquick_files import write_files
from warren.config.overrides import LOG_LEVEL, overrides, verbosity
from warren.config.toml_writer import encode_toml, network_sections
from warren.config.wgquick_import import network_from_wgquick, network_to_wgquick
from warren.errors import StateError
from warren.privsep.io.privileged_ops import DirectKeyAccess
from warren.tunnel.io.conffile import interface_name, read_conf
from warren.tunnel.wgquick import encode_wgquick


@click.group()
def config() -> None:
    """Show what counts; bring networks from wg-quick and to it."""


@config.command()
@config_options
@click.option("--origin", is_flag=True, help="Say of each value where it comes from.")
@click.option("-v", "--verbose", is_flag=True, help="As of the agent: log level debug.")
def show(config: Path | None, root: str, origin: bool, verbose: bool) -> None:
    """Show every value that counts, as TOML.

    The order is: flag, environment, file, default.
    """
    defaults = own_defaults(root)
    above = overrides({LOG_LEVEL: verbosity(verbose)}, os.environ)
    found = read_config(config_path(config, defaults), defaults, above)
    sections = [*agent_sections(found)]
    notes = {f"{section.key}.{key}": "default" for section in sections for key in section.values} | dict(found.origins)
    write(encode_toml(sections, notes if origin else {}))


@config.command("import")
@click.argument("file", metavar="FILE.conf", type=click.Path(path_type=Path))
@click.option("--network", metavar="NAME", help="The network's name; without it, the file's own.")
@click.option("--keys", metavar="DIR", help="The directory for its key files; without it, the agent's own.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Make this file; one that is there is kept.")
@click.option("--root", metavar="DIR", default="", help="Put DIR before every absolute path.")
def import_conf(file: Path, network: str | None, keys: str | None, output: Path | None, root: str) -> None:
    """Make a network of the agent from a file of wg-quick.

    The network goes to standard output, or with --output into a file. Its keys go into key files that only their owner
    can open, and never into the configuration.
    """
    defaults = own_defaults(root)
    conf = read_conf(file)
    for warning in conf.warnings:
        warn(warning)
    directory = os.path.abspath(keys) if keys else defaults.keys.removeprefix(defaults.root)  # noqa: PTH100, without ..
    imported = network_from_wgquick(conf.content, network or interface_name(file), directory, str(file))
    text = encode_toml([*network_sections(imported.network)])
    for path in write_files(imported, defaults.root, None if output is None else (output, text)):
        report(f"{path} is made")
    if output is None:
        write(text)


@config.command("export")
@click.argument("network", metavar="NETWORK")
@config_options
def export_conf(network: str, config: Path | None, root: str) -> None:
    """Print a network of the agent as a file of wg-quick.

    With its private key, so keep it closed: umask 077; warren config export home > home.conf
    """
    defaults = own_defaults(root)
    found = read_config(config_path(config, defaults), defaults)
    wanted = found.network(network)
    if wanted is None:
        known = ", ".join(each.name for each in found.networks) or "none"
        raise StateError(f"{found.source} has no network {network}, only: {known}", code="network.unknown", hint="")
    text = encode_wgquick(network_to_wgquick(wanted, read_keys(wanted, DirectKeyAccess())))
    warn_if_world_readable()
    write(text)
