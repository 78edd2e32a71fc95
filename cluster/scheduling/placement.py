"""On which node the next worker is started, which workers leave, and what the autoscaler is asked for.

A pure function of what is seen at one moment: nothing is remembered here, so nothing can be remembered wrongly. Its
laws: no worker on a node that drains or is avoided; never more workers than were wished for; a node is given a second
worker only when no other node is, for its size, emptier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """A node as the cluster tells it: its CPUs in all, and whether it is about to go."""

    name: str
    cpus: float
    draining: bool = False


class Wish(NamedTuple):
    """How many workers there should be: ``least`` is what the autoscaler is asked to make room for, ``most`` (none: as
    many as there is room for) what is never exceeded."""

    least: int
    most: int | None


class Plan(NamedTuple):
    """``start``: nodes, one for each worker to be started, in order. ``leave``: workers on draining nodes. ``asked``:
    how many workers no node has room for, to be asked of the autoscaler."""

    start: list[str]
    leave: list[str]
    asked: int


def plan(
    nodes: Sequence[Node],
    workers: Mapping[str, str],
    wish: Wish,
    cpus: float,
    avoided: Collection[str] = (),
) -> Plan:
    """What to do now.

    Args:
        nodes: those that are alive.
        workers: each live or starting worker with its node.
        cpus: what a worker takes of a node; 0 where workers take none, and any node has room for all.
        avoided: nodes on which no worker is started for now, because none came up there.
    """
    usable = [node for node in nodes if not node.draining]
    going = {node.name for node in nodes if node.draining}
    leave = [worker for worker, node in workers.items() if node in going]
    held = Counter(node for node in workers.values() if node not in going)
    here = sum(held.values())
    most = wish.most if wish.most is not None else max(wish.least, sum(_room(node, cpus) or 0 for node in usable))
    start: list[str] = []
    while here + len(start) < most:
        node = _emptiest(usable, held, cpus, avoided)
        if node is None:
            break
        held[node.name] += 1
        start.append(node.name)
    wanted = wish.least if wish.most is None else wish.most
    return Plan(start, leave, max(0, wanted - here - len(start)))


def _room(node: Node, cpus: float) -> int | None:
    """Workers that fit on a node; none for "any number"."""
    return int(node.cpus / cpus + 1e-9) if cpus else None


def _emptiest(nodes: Sequence[Node], held: Counter[str], cpus: float, avoided: Collection[str]) -> Node | None:
    best: tuple[float, Node] | None = None
    for node in nodes:
        room = _room(node, cpus)
        if node.name in avoided or (room is not None and held[node.name] >= room):
            continue
        # Where workers take no CPUs, those of the node still say how much it can do.
        full = (held[node.name] + 1) / (room or max(node.cpus, 1.0))
        if best is None or full < best[0]:
            best = full, node
    return best[1] if best else None
