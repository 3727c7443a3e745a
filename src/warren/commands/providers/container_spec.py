"""What confines each container, in the words of Docker's API (v1.41, POST /containers/create).

No capability, no way to get one, nothing of the host's files, nothing to write but memory, and limits for everything
that could be used up. None of it can be changed by a command.
"""

from __future__ import annotations

from warren.commands.effects.containers import Specification

TMPFS = "rw,nosuid,nodev,noexec,size=64m"  # counts as the container's memory
FILES = 8_192  # of one process; a browser of many tabs opens some thousand
NANO = 1_000_000_000


def encode_specification(specification: Specification) -> dict[str, object]:
    """The body of the request."""
    return {
        "Image": specification.image,
        "Labels": dict(specification.labels),
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _confinement(specification),
    }


def _confinement(specification: Specification) -> dict[str, object]:
    return {
        "CapAdd": [],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "Tmpfs": dict.fromkeys(specification.writable, TMPFS),
        "Binds": [],
        "Mounts": [],
        "Devices": [],
        "PortBindings": {},
        "PublishAllPorts": False,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "NetworkMode": specification.network,
        "Memory": specification.memory_bytes,
        "MemorySwap": specification.memory_bytes,  # memory and swap together: so no swap
        "NanoCpus": round(specification.cpus * NANO),
        "PidsLimit": specification.pids_limit,
        "Ulimits": [{"Name": "nofile", "Soft": FILES, "Hard": FILES}],
        "LogConfig": {"Type": "none", "Config": {}},  # what it prints would fill the host's disk
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},  # it would outlive its time with the host's restart
        "AutoRemove": False,  # who removes it tells of it
    }
