"""All that the customer of a hard task asks for goes together, as the domain says."""

from __future__ import annotations

from itertools import combinations

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import Call
from t2t_dist.synthesis.grader_side import errands_by_goal
from tests.support.library_domain import Library
from tests.support.made import Made, make

#: Explorations per domain.
EXPLORED = 14


@pytest.fixture(scope="module", params=sorted(registry.BUILT_IN))
def hard(request: pytest.FixtureRequest) -> Made:
    return make(registry.load(request.param), EXPLORED, difficulty=3)


def test_what_is_done_in_one_conversation_goes_together(hard: Made) -> None:
    world = hard.domain.world()
    for task in hard.verified():
        for one, other in combinations(errands_by_goal(task.grader).values(), 2):
            for first, second in ((first, second) for first in one for second in other):
                assert hard.domain.go_together(world, first, second), (task.task_id, first, second)


class OneThing(Library):
    """A desk whose readers want one thing at a time."""

    def go_together(self, world: World, first: Call, second: Call) -> bool:
        return False


def test_where_nothing_goes_together_a_hard_task_has_one_request() -> None:
    tasks = make(OneThing(), EXPLORED, difficulty=3).tasks
    assert [task for task in tasks if task.verdict == "verified"]
    assert all(len(errands_by_goal(task.grader)) < 2 for task in tasks if task.verdict == "verified")
    assert "incoherent" in {code for task in tasks for code in task.reasons}
