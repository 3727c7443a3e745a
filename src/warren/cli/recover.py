"""`warren recover`: clean up after an agent that was killed, without starting another."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click

from warren._core import Netlink
from warren.agent.io.config_file import read_config
from warren.cli.help import Command
from warren.cli.options import config_options, config_path, own_defaults
from warren.cli.output import report, write
from warren.errors import HostError, RemoteError
from warren.files.trusted_path import UntrustedPathError
from warren.localapi.io.client import request
from warren.privsep.io.helper_state import lock_journal
from warren.privsep.io.instance_lock import instance_lock
from warren.privsep.io.separation import host_exits, host_resolver
from warren.privsep.io.service_directories import journal_directory
from warren.privsep.io.service_user import is_root
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.link_owner import agent_id_of, remove_orphans
from warren.tunnel.io.nft_exit import ExitForwarding
from warren.tunnel.io.policy import remove_stale_policy


@click.command(cls=Command, examples=("warren recover",))
@config_options
def recover(config: Path | None, root: str) -> int:
    """Clean up after an agent that was killed.

    Restores the DNS settings and the forwarding of the host, and removes kernel links and routing rules of the agent.
    The kernel removes routes with their link, and userspace links with the agent. The next start of an agent cleans up
    as well. Use this command on a host that stays without an agent, and in ExecStopPost= of a unit.

    The command fails while an agent is running.

    Exit status: 0 done or nothing to do, 1 a change could not be reverted.
    """
    defaults = own_defaults(root)
    settings = read_config(config_path(config, defaults), defaults)
    refuse_while_running(Path(settings.daemon.socket))
    journal = journal_directory(settings)
    with ExitStack() as held:
        problems = _recover_journal(journal, held, host_exits(settings), host_resolver(settings, defaults))
        netlink = Netlink.open()
        remove_orphans(agent_id_of(Path(settings.daemon.state)), netlink)
        remove_stale_policy(netlink)
    for problem in problems:
        report(str(problem), problem.hint)
    if not problems:
        write("nothing left to clean up\n")
    return int(bool(problems))


def _recover_journal(
    journal: Path, held: ExitStack, exits: ExitForwarding, resolver: Resolver
) -> tuple[HostError, ...]:
    """Restore forwarding and name servers, if there is a journal of them, and return the errors.

    A journal that another user could have written is an error, and nothing of it is believed.
    """
    if not os.path.lexists(journal):
        return ()
    try:
        held.enter_context(instance_lock(journal, "which cleans up"))
        if is_root():
            held.enter_context(lock_journal(journal))
    except UntrustedPathError as error:
        return (error,)
    return (*exits.recover(), *resolver.recover())


def refuse_while_running(socket: Path) -> None:
    """Raise HostError if an agent answers: its settings are in use."""
    try:
        request(socket, "ping")
    except RemoteError as error:
        if error.code == "agent.unavailable":
            return
        raise
    raise HostError(f"an agent serves {socket}", code="agent.running", hint="stop it first: warren agent stop")
