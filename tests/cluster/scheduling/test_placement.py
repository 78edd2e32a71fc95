"""Where workers go: laws that hold whatever the cluster looks like."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.cluster.scheduling.placement import Node, Plan, Wish, plan

NAMES = "abcdef"


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Node], dict[str, str], Wish, float, list[str]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    nodes = [Node(name, draw(st.sampled_from([0, 1, 2, 8])), draw(st.booleans())) for name in names]
    workers = {f"w{n}": node for n, node in enumerate(draw(st.lists(st.sampled_from([*NAMES]), max_size=8)))}
    least = draw(st.integers(1, 8))
    most = draw(st.one_of(st.none(), st.integers(least, 20)))
    cpus = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    return nodes, workers, Wish(least, most), cpus, draw(st.lists(st.sampled_from(NAMES), unique=True))


def applied(workers: dict[str, str], found: Plan) -> Counter[str]:
    """Workers on each node once the plan is carried out."""
    staying = [node for worker, node in workers.items() if worker not in found.leave]
    return Counter([*staying, *found.start])


@given(clusters())
def test_no_worker_is_started_where_it_may_not_be(
    made: tuple[list[Node], dict[str, str], Wish, float, list[str]],
) -> None:
    nodes, workers, wish, cpus, avoided = made
    found = plan(nodes, workers, wish, cpus, avoided)
    usable = {node.name: node for node in nodes if not node.draining and node.name not in avoided}
    assert set(found.start) <= set(usable)
    after = applied(workers, found)
    if cpus:
        assert all(after[name] <= usable[name].cpus / cpus for name in set(found.start))
    if wish.most is not None and found.start:
        assert sum(after.values()) <= wish.most


@given(clusters())
def test_those_on_draining_nodes_leave_and_nobody_else(
    made: tuple[list[Node], dict[str, str], Wish, float, list[str]],
) -> None:
    nodes, workers, wish, cpus, avoided = made
    draining = {node.name for node in nodes if node.draining}
    found = plan(nodes, workers, wish, cpus, avoided)
    assert set(found.leave) == {worker for worker, node in workers.items() if node in draining}


@given(clusters())
def test_what_is_wished_for_is_started_or_asked_for(
    made: tuple[list[Node], dict[str, str], Wish, float, list[str]],
) -> None:
    nodes, workers, wish, cpus, avoided = made
    found = plan(nodes, workers, wish, cpus, avoided)
    after = sum(applied(workers, found).values())
    wanted = wish.most if wish.most is not None else wish.least
    assert after + found.asked >= wanted
    if not workers and len(found.start) < wanted:  # room was the reason
        open_nodes = [n for n in nodes if not n.draining and n.name not in avoided]
        assert cpus or not open_nodes
        assert all(Counter(found.start)[n.name] + 1 > n.cpus / cpus for n in open_nodes)


@given(clusters())
def test_a_plan_that_was_carried_out_leaves_nothing_to_start(
    made: tuple[list[Node], dict[str, str], Wish, float, list[str]],
) -> None:
    nodes, workers, wish, cpus, avoided = made
    after = applied(workers, plan(nodes, workers, wish, cpus, avoided))
    again = plan(nodes, {f"x{n}": node for n, node in enumerate(after.elements())}, wish, cpus, avoided)
    assert again.start == []


def test_equal_nodes_get_equally_many_and_larger_ones_more() -> None:
    found = plan([Node("a", 4), Node("b", 4), Node("c", 8)], {}, Wish(8, 8), 1.0)
    assert Counter(found.start) == {"a": 2, "b": 2, "c": 4}


def test_without_a_most_every_cpu_gets_a_worker_and_nothing_is_asked_for() -> None:
    found = plan([Node("a", 2), Node("b", 1)], {}, Wish(1, None), 1.0)
    assert Counter(found.start) == {"a": 2, "b": 1}
    assert found.asked == 0


def test_what_no_node_has_room_for_is_asked_of_the_autoscaler() -> None:
    assert plan([Node("a", 2)], {}, Wish(2, 6), 1.0) == Plan(["a", "a"], [], 4)


def test_workers_that_take_no_cpus_fit_anywhere() -> None:
    assert plan([Node("a", 2)], {}, Wish(5, 5), 0.0) == Plan(["a"] * 5, [], 0)
