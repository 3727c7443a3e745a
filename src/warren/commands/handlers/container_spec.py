"""The confinement of every container, as Docker's API expects it (v1.41, POST /containers/create).

No capability and no way to gain one, no files of the host, no writable storage but memory, and a limit for every
resource. No command can change any of it.
"""

from __future__ import annotations

from warren.commands.effects.containers import ContainerSpec

TMPFS = "rw,nosuid,nodev,noexec,size=64m"  # counted as the container's memory
MAX_OPEN_FILES = 8_192  # per process; a browser with many tabs opens some thousand
NANO = 1_000_000_000


def encode_spec(spec: ContainerSpec) -> dict[str, object]:
    """Return the body of the request."""
    return {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _confinement(spec),
    }


def _confinement(spec: ContainerSpec) -> dict[str, object]:
    return {
        "CapAdd": [],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "Tmpfs": dict.fromkeys(spec.writable, TMPFS),
        "Binds": [],
        "Mounts": [],
        "Devices": [],
        "PortBindings": {},
        "PublishAllPorts": False,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "NetworkMode": spec.network,
        "Memory": spec.memory_bytes,
        "MemorySwap": spec.memory_bytes,  # memory plus swap: no swap
        "NanoCpus": round(spec.cpus * NANO),
        "PidsLimit": spec.pids_limit,
        "Ulimits": [{"Name": "nofile", "Soft": MAX_OPEN_FILES, "Hard": MAX_OPEN_FILES}],
        "LogConfig": {"Type": "none", "Config": {}},  # its output would fill the host's disk
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},  # a restart of the host would extend its lifetime
        "AutoRemove": False,  # whoever removes it emits an event
    }
