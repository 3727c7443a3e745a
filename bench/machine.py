"""Where and when: the head of a table."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from engines import TREE

TOLD = ("avx2", "avx512f", "avx512ifma")


def flags() -> set[str]:
    """What the CPU can, in the kernel's words."""
    return set(_cpuinfo("flags").split())


def description() -> str:
    """CPU, cores, what of it matters for sealing, kernel."""
    able = " ".join(flag for flag in TOLD if flag in flags()) or "no AVX2"
    return f"{_cpuinfo('model name')}, {os.cpu_count()} cores ({able}), Linux {os.uname().release}"


def today() -> str:
    """UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def commit() -> str:
    """Of this tree; `+` if the engine's source differs from it."""
    short = _git("rev-parse", "--short", "HEAD")
    return short + ("+" if _git("status", "--porcelain", "rust/crates") else "") if short else "no repository"


def iperf() -> str:
    """Its version."""
    done = subprocess.run(["iperf3", "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


def _cpuinfo(field: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(field):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(TREE), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
