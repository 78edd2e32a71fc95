"""``make rooms``: the packages (rooms) of the code by layer (floor), and the imports between them, from grimp's graph.

The floors are those that import-linter enforces (``pyproject.toml``). An arrow that goes up is marked and ends it
with exit code 1.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter

import grimp

from tests.support.paths import ROOT

PACKAGE = "t2t_dist"


def floors() -> list[list[str]]:
    """The layers of the contract, the highest first; the rooms of one floor do not know each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def room_of(module: str) -> str:
    """``t2t_dist.storage.ledger`` is in the room ``storage``; the package's own ``__init__`` is in none."""
    return [*module.split("."), ""][1]


def arrows(graph: grimp.ImportGraph) -> Counter[tuple[str, str]]:
    """Imports between rooms: (importer, imported) -> how many modules import how many others."""
    found: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = room_of(importer), room_of(imported)
            if pair[0] != pair[1] and all(pair):
                found[pair] += 1
    return found


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Groups of modules that import each other, directly or indirectly (Tarjan's strongly connected parts)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph.find_modules_directly_imported_by(module)):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph.modules):
        if module not in index:
            visit(module)
    return found


def main() -> int:
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    between, tiers = arrows(graph), floors()
    floor = {room: len(tiers) - number for number, tier in enumerate(tiers) for room in tier}
    modules = Counter(room_of(module) for module in graph.modules)
    upward = 0
    print(
        f"{PACKAGE}: {len(graph.modules)} modules in {len(floor)} rooms; a number says how many imports an arrow is\n"
    )
    for number, tier in enumerate(tiers):
        for room in tier:
            print(f"floor {len(tiers) - number:2}  {room} ({modules[room]} modules)")
            for (importer, imported), count in sorted(between.items(), key=lambda item: -floor.get(item[0][1], 0)):
                if importer == room:
                    up = floor.get(imported, 99) >= floor[room]
                    upward += up
                    print(f"            {'^^ UP ^^' if up else '->'} {imported} {count}")
    groups = circles(graph)
    for group in groups:
        print(f"circle: {', '.join(group)}")
    print(f"\n{upward} arrows upward, {len(groups)} circles")
    return 1 if upward or groups else 0


if __name__ == "__main__":
    sys.exit(main())
