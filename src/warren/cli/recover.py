"""`warren recover`: what an agent that was killed has left on the host, taken away without starting another."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click

from warren._core import Netlink
from warren.agent.io.config_file import read_config
from warren.agent.io.instance_lock import instance_lock
from warren.cli.options import config_options, config_path, own_defaults
from warren.cli.output import tell, write
from warren.errors import HostError, RemoteError
from warren.localapi.io.client import request
from warren.privsep.io.helper_process import lock_journal
from warren.privsep.io.privileges import is_root, journal_of, own_resolver
from warren.tunnel.io.link_owner import home_of
from warren.tunnel.io.orphans import remove_orphans
from warren.tunnel.io.policy import sweep


@click.command()
@config_options
def recover(config: Path | None, root: str) -> int:
    """Give the host back what an agent that was killed has left: name servers, links in the kernel, routing rules.

    Routes go with their link, and other links with the agent. The next start does the same by itself, but for links of
    networks that it brings up; this is for a host that is to stay without an agent, and for ExecStopPost= of a unit.
    While an agent runs it is refused.

    Exit status: 0 done, or nothing was left; 1 something could not be undone, and was told.
    """
    defaults = own_defaults(root)
    settings = read_config(config_path(config, defaults), defaults)
    refuse_while_running(Path(settings.daemon.socket))
    journal = journal_of(settings)
    with ExitStack() as held:
        if journal.is_dir():
            held.enter_context(instance_lock(journal, "which gives back what it left"))
        if journal.is_dir() and is_root():
            held.callback(os.close, lock_journal(journal))
        problems = own_resolver(settings, defaults).recover()
        netlink = Netlink.open()
        remove_orphans(home_of(Path(settings.daemon.state)), netlink)
        sweep(netlink)
    for problem in problems:
        tell(str(problem), problem.hint)
    if not problems:
        write("nothing of an agent is left\n")
    return int(bool(problems))


def refuse_while_running(socket: Path) -> None:
    """Raises HostError if an agent answers: what it has done is wanted."""
    try:
        request(socket, "ping")
    except RemoteError as error:
        if error.code == "agent.unavailable":
            return
        raise
    raise HostError(f"an agent serves {socket}", code="agent.running", hint="stop it: warren agent stop")
