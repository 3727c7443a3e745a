"""Contents that no file may have: the address of a machine or registry, a secret, a name without meaning."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each pattern is written so that it does not find itself here.
LINES = {
    "a registry's address": r"pypi[.]org|pythonhosted[.]org|(index|static)[.]crates[.]io|registry[.]npmjs|"
    r"(proxy|sum)[.]golang[.]org|deb[.]debian[.]org|artifac[t]ory|registry[.]docker",
    "a path of one machine": r"(?<![\w.}])/(home|Users|root|work|farm)/[\w.-]+",
    "a private key": r"BEGIN [A-Z ]*PRIVATE[ ]KEY",
    "a WireGuard secret": r"(?i)(private|preshared)_?key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9+/]{42}[AEIMQUYcgkosw480]=",
    "a token": r"\b(ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[bp]-[0-9A-Za-z-]{10,})",
    "work left open": r"\b(TO[D]O|FIX[M]E)\b",
}
NAMES = {
    "a name that says nothing": r"(^|/)(utils?|helpers?|common|misc|base|managers?|services?|types|consts?)[.](py|rs)$",
    "a file that holds keys": r"[.](pem|key|p12|pfx)$",
}
GENERATED = {"rust/Cargo.lock"}  # names its registry in every entry, and cargo wants it so


def main() -> int:
    """Print each place; 1 if there is any."""
    found = list(places(ROOT))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def places(root: Path) -> Iterator[str]:
    """`path:line: what` for everything that must not be there, in the files that git keeps or would keep."""
    for name in listed(root):
        yield from (f"{name}: {what}" for what, pattern in NAMES.items() if re.search(pattern, name))
        if name not in GENERATED:
            yield from (f"{name}:{line}" for line in lines(root / name))


def lines(path: Path) -> Iterator[str]:
    """`line: what` for each line of one file; a file that is no text has none."""
    try:
        text = path.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return
    if not any(re.search(pattern, text) for pattern in LINES.values()):
        return  # as almost always, and much faster than line by line
    for number, line in enumerate(text.splitlines(), 1):
        yield from (f"{number}: {what}" for what, pattern in LINES.items() if re.search(pattern, line))


def listed(root: Path) -> list[str]:
    """Every path that is committed or would be by `git add --all`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return sorted(filter(None, done.stdout.split("\0")))


if __name__ == "__main__":
    sys.exit(main())
