"""A host whose process 1 is systemd: started in namespaces of its own, with units as they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.netns.deadline import until
from tests.netns.host import Host
from tests.project.conftest import ROOT
from tests.scenario.user import PATH, User
from warren.config.defaults import PROGRAMS

DEPLOY = ROOT / "deploy"
TARGET = "[Unit]\nDescription=What a test needs\nWants=systemd-journald.socket systemd-journald.service\n"
ENDS = ("running\n", "degraded\n")
# What a machine does at its start and this one has no need of: some of it takes minutes where the disk is another's.
MASK = """
mkdir -p /etc/systemd/system
for unit in /lib/systemd/system/sysinit.target.wants/* /etc/systemd/system/sysinit.target.wants/*; do
    case $unit in *systemd-journald.service | *'*') ;; *) ln -sf /dev/null "/etc/systemd/system/${unit##*/}" ;; esac
done
"""
# Reports its pid as the host sees it, and becomes systemd in a tree of control groups of its own. What one process of
# systemd's mounts the others see, as on a machine: credentials are handed over so.
INIT = """
read -r pid rest < /proc/self/stat
echo "$pid" > /run/systemd.pid
mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount --make-rshared / || exit 1
exec env -i container=warren PATH="$PATH" /lib/systemd/systemd --unit=wanted.target --log-target=null --show-status=0
"""


class Machine(User):
    """Has the program, its user, its directories and its units."""

    def __init__(self, host: Host, name: str) -> None:
        super().__init__(host, name)
        self.name = name
        self.writes("/etc/systemd/system/wanted.target", TARGET)
        self.types(MASK)
        self.types(f"systemd-sysusers {DEPLOY}/sysusers.d/{name}.conf")
        self.types(f"systemd-tmpfiles --create {DEPLOY}/tmpfiles.d/{name}.conf")  # noqa: S108, a directory of ours
        self.types(f"cp {DEPLOY}/systemd/{name}* /etc/systemd/system/ && mkdir -p /etc/{name}")
        for unit in (name, f"{name}-helper", f"{name}-runner"):
            self.adds(unit)
        self.writes("/run/init", INIT)
        namespaces = ("--pid", "--fork", "--mount", "--cgroup", "--kill-child")
        host.start("unshare", *namespaces, "sh", "/run/init", env={"PATH": PATH}, log="systemd")
        until(lambda: self.attempts("systemctl is-system-running").stdout in ENDS, "systemd has started")
        assert self.types("systemctl --failed --no-legend") == ""

    def attempts(self, line: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Types a line, at the machine that systemd has started once it has."""
        booted = self.host.path("/run/systemd.pid")
        within = f"nsenter -t {booted.read_text().strip()} -m -p -- " if booted.exists() else ""
        return self.host.attempt(
            "sh", "-c", f'exec {within}sh -c "$LINE"', stdin=stdin, env={"PATH": PATH, "LINE": line}
        )

    def adds(self, unit: str, *lines: str) -> None:
        """What `systemctl edit` would, and a view of this tree, which need not lie where an installation does."""
        self.types(f"mkdir -p /etc/systemd/system/{unit}.service.d")
        added = ("[Service]", "ProtectHome=no", "PrivateTmp=no", *lines, "")
        self.writes(f"/etc/systemd/system/{unit}.service.d/added.conf", "\n".join(added))

    def pid(self, unit: str) -> int:
        """Its main process, as the machine counts; 0 where there is none."""
        return int(self.types(f"systemctl show --property MainPID --value {unit}"))

    def starts(self, *units: str) -> None:
        """Has systemd start them; AssertionError with their journal unless it does."""
        done = self.attempts(f"systemctl start {' '.join(units)}")
        assert done.returncode == 0, f"{done.stderr}{self.types('journalctl --no-pager --output cat --lines 40')}"

    def commands(self, line: str, stdin: str = "") -> dict[str, Any]:
        """Runs a signed command, and returns its result, also of one that failed."""
        done = self.attempts(f"{self.name} command run --json {line}", stdin)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result


# A new record refuses what was issued in its first minute.
AN_HOUR_AGO = """
import os, pwd, time
from pathlib import Path
from warren.commands.store.command_store import initialize_store
initialize_store(Path("/var/lib/warren/runner"), time.time() - 3600)
user = pwd.getpwnam("warren")
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
initialize_store(Path("/var/lib/warren/commands"), time.time() - 3600)
"""


def office(machine: Machine, tables: str) -> str:
    """Sets up signed commands as docs/guide/trust.md has it; returns the options by which alice signs.

    `tables` goes to the head of the configuration, with the thumbprint of the root in it.
    """
    machine.types("warren trust init /etc/office/keys")
    table = machine.types("cd /etc/office && warren operator new alice --role ADMIN --output alice.jwks")
    lines = [line for line in table.splitlines() if not line.startswith(("warren", " "))]
    machine.types("cat >> /etc/office/keys/trust.toml", "\n" + "\n".join(lines) + "\n")
    machine.types("warren trust sign /etc/office/keys/trust.toml")
    shown = json.loads(machine.types("warren trust show /etc/office/keys/trust.jws --json"))
    config = PROGRAMS[machine.name].config
    head = tables.format(root=shown["signed_by"][0])
    machine.writes(config, head + machine.types(f"cat {config}"))
    machine.writes("/run/begin.py", AN_HOUR_AGO)
    machine.types(f"{sys.executable} /run/begin.py")
    machine.types("warren identity init --id gateway-001")
    machine.types("warren trust install /etc/office/keys/trust.jws")
    return "--operator /etc/office/alice.jwks --dispatch /etc/office/keys/dispatch.jwks"
