"""Find import cycles between the modules of a Rust crate.

An edge leads from a module to each module that it names in a path from `crate`, `super`, `self` or one of its own child
modules. Code under `#[cfg(test)]` is left out. `mod child;` alone is no edge, so a child may use its parent's items.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Module = tuple[str, ...]

_IGNORED = re.compile(r'//[^\n]*|/\*.*?\*/|b?r?"(?:\\.|[^"\\])*"|b?\'(?:\\.|[^\'\\])\'', re.DOTALL)
_TEST_MODULE = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{")
_PATH = re.compile(r"(?<![\w:])[a-z_]\w*(?:::(?:\w+|\{|\*))+")


def main() -> int:
    """Print a cycle of each crate that has one; return 1 if there is any."""
    cycles = {crate.name: cycle(crate / "src") for crate in sorted((ROOT / "rust" / "crates").iterdir())}
    lines = [f"{name}: {' -> '.join(found)}" for name, found in cycles.items() if found]
    print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr)
    return 1 if lines else 0


def cycle(source: Path) -> list[str]:
    """Return the modules of one cycle in the crate whose sources are below `source`, or an empty list."""
    try:
        TopologicalSorter(edges(source)).prepare()
    except CycleError as error:
        return ["::".join(("crate", *module)) for module in error.args[1]]
    return []


def edges(source: Path) -> dict[Module, set[Module]]:
    """Return the modules that each module of the crate uses."""
    files = dict(_modules(source))
    return {module: set(_used(module, path.read_text(), files)) - {module} for module, path in files.items()}


def _modules(source: Path) -> Iterator[tuple[Module, Path]]:
    """Yield each module with its file; module files of tests are left out."""
    for path in sorted(source.rglob("*.rs")):
        module = path.relative_to(source).with_suffix("").parts
        if module[-1] in ("lib", "main", "mod"):
            module = module[:-1]
        if "tests" not in module:
            yield module, path


def _used(module: Module, text: str, files: dict[Module, Path]) -> Iterator[Module]:
    code = _without_tests(_IGNORED.sub("", text))
    for path in _paths(code):
        used = _resolve(module, path, files)
        if used is not None:
            yield used


def _without_tests(code: str) -> str:
    """Return the code without the bodies of its test modules."""
    while match := _TEST_MODULE.search(code):
        depth, end = 1, match.end()
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        code = code[: match.start()] + code[end:]
    return code


def _paths(code: str) -> Iterator[list[str]]:
    """Yield every path of the code, those of a braced `use` one by one."""
    for match in _PATH.finditer(code):
        *head, last = match[0].split("::")
        if last == "{":
            yield from _braced(head, code, match.end())[0]
        else:
            yield [*head, last]


def _braced(head: list[str], code: str, position: int) -> tuple[list[list[str]], int]:
    """Return the paths of a use tree whose opening brace ends at `position`, and where it ends."""
    paths, path = [], head
    for token in re.compile(r"\w+|[{},]").finditer(code, position):
        if token.start() < position:
            continue
        match token[0]:
            case "{":
                inner, position = _braced(path, code, token.end())
                paths += inner
            case "," | "}":
                paths.append(path)
                path = head
                if token[0] == "}":
                    return paths, token.end()
            case "self" | "as":
                pass
            case name:
                path = [*path, name]
    return paths, len(code)


def _resolve(module: Module, path: list[str], files: dict[Module, Path]) -> Module | None:
    """Return the deepest module that a path names, or None when it leads out of the crate."""
    used, rest = module, list(path)
    if rest[0] == "crate":
        used, rest = (), rest[1:]
    elif rest[0] == "super":
        while rest[:1] == ["super"]:
            used, rest = used[:-1], rest[1:]
    elif rest[0] == "self":
        rest = rest[1:]
    elif (*module, rest[0]) not in files:
        return None
    while rest and (*used, rest[0]) in files:
        used, rest = (*used, rest[0]), rest[1:]
    return used


if __name__ == "__main__":
    sys.exit(main())
