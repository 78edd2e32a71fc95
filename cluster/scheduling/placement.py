"""Placement of workers: where to start them, which have to leave, and how many to request from the autoscaler.

A pure function of the cluster's state at one moment, without any memory. Its laws: no worker on a draining or avoided
node; never more workers than wished for; the next worker goes to the node that is emptiest for its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """A node of the cluster: all its CPUs, and whether it is draining."""

    name: str
    cpus: float
    draining: bool = False


class Wish(NamedTuple):
    """The number of workers to run: the autoscaler is asked for room for ``least``; ``most`` is never exceeded
    (``None``: as many as there is room for)."""

    least: int
    most: int | None


class Plan(NamedTuple):
    """What to do: ``start``: a node per worker to start, in order; ``leave``: workers on draining nodes; ``asked``: the
    number of workers that no node has room for, to be requested from the autoscaler."""

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
    """Plan what to do now.

    Args:
        nodes: the live nodes.
        workers: the node of each live or starting worker.
        cpus: CPUs per worker; 0 if workers take none, so that every node has room for all of them.
        avoided: nodes to skip for now, because a worker failed to start there.
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
    """Workers that fit on a node; ``None``: any number."""
    return int(node.cpus / cpus + 1e-9) if cpus else None


def _emptiest(nodes: Sequence[Node], held: Counter[str], cpus: float, avoided: Collection[str]) -> Node | None:
    best: tuple[float, Node] | None = None
    for node in nodes:
        room = _room(node, cpus)
        if node.name in avoided or (room is not None and held[node.name] >= room):
            continue
        # If workers take no CPUs, the node's CPUs still say how many it can serve.
        full = (held[node.name] + 1) / (room or max(node.cpus, 1.0))
        if best is None or full < best[0]:
            best = full, node
    return best[1] if best else None
