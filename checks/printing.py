"""Text that is printed around `warren.cli.output`, which makes the control characters of others visible."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/warren"
HOME = "cli/output.py"

STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
PRINTERS = {"print", "Console"}
METHODS = {"echo", "secho", "print_exc", "print_exception", "print_stack", "print_last"}


@dataclass(frozen=True, slots=True)
class Exemption:
    """A module that names a stream or a printer, and prints nothing of others around the one writer."""

    module: str
    name: str
    reason: str


EXEMPTIONS = (
    Exemption("telemetry/io/logging.py", "sys.stderr", "its formatters make values visible"),
    Exemption("cli/status_table.py", "Console", "it renders in memory, and its cells are visible"),
)


def main() -> int:
    """Print each place; 1 if there is any."""
    found = [*places(ROOT), *unused(ROOT)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def places(root: Path) -> Iterator[str]:
    """Yield `path:line: name` for each place that prints, or gets at a stream, outside of its home."""
    for path, line, name in _uses(root):
        if _exemption(root, path, name) is None:
            yield f"{path.relative_to(root)}:{line}: {name} is for warren.cli.output alone"


def unused(root: Path) -> Iterator[str]:
    """Yield the exemptions that nothing needs any more."""
    used = {_exemption(root, path, name) for path, _, name in _uses(root)}
    yield from (f"{each.module}: nothing needs the exemption {each.name}" for each in EXEMPTIONS if each not in used)


def _uses(root: Path) -> Iterator[tuple[Path, int, str]]:
    for path in sorted((root / SOURCE).rglob("*.py")):
        if path.relative_to(root / SOURCE).as_posix() != HOME:
            for node in ast.walk(ast.parse(path.read_text())):
                if name := _use(node):
                    yield path, getattr(node, "lineno", 0), name


def _use(node: ast.AST) -> str | None:
    match node:
        case ast.Attribute(ast.Name("sys"), name) if name in STREAMS:
            return f"sys.{name}"
        case ast.ImportFrom("sys", names) if imported := STREAMS & {alias.name for alias in names}:
            return f"sys.{imported.pop()}"
        case ast.Call(ast.Name(name)) if name in PRINTERS:
            return name
        case ast.Call(ast.Attribute(_, name)) if name in METHODS:
            return name
    return None


def _exemption(root: Path, path: Path, name: str) -> Exemption | None:
    module = path.relative_to(root / SOURCE).as_posix()
    return next((each for each in EXEMPTIONS if (each.module, each.name) == (module, name)), None)


if __name__ == "__main__":
    sys.exit(main())
