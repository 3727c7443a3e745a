"""A directory where scripts may be: nobody but this user, or root, can write any part of its path."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def trusted_directory(above: str = "") -> Iterator[Path]:
    """Not among the temporary ones: everybody can write there. Hosts of tests have their own /run."""
    above = above or ("/run" if os.geteuid() == 0 else str(Path.home()))
    with tempfile.TemporaryDirectory(prefix="warren-scripts-", dir=above) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def put(path: Path, text: str, mode: int = 0o755) -> Path:
    """A file of this text."""
    path.write_text(text)
    path.chmod(mode)
    return path
