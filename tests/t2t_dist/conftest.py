"""What the tests of the method share: domains, and what was made on them once."""

from __future__ import annotations

import pytest

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from tests.library_domain import Library
from tests.made import Made, make


@pytest.fixture(scope="session")
def retail() -> Domain:
    return registry.load("retail")


@pytest.fixture(scope="session")
def library() -> Domain:
    return Library()


@pytest.fixture(scope="session")
def shop(retail: Domain) -> Made:
    """60 explorations of the shop, converted."""
    return make(retail, 60)


@pytest.fixture(scope="session")
def desk(library: Domain) -> Made:
    """40 explorations of the library, two for each reader, converted."""
    return make(library, 40)


@pytest.fixture(params=["shop", "desk"])
def made(request: pytest.FixtureRequest) -> Made:
    """The one and the other."""
    found: Made = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", params=sorted(registry.BUILT_IN))
def built_in(request: pytest.FixtureRequest) -> Made:
    """Each domain that comes with the project, explored and converted."""
    if request.param == "retail":
        shop: Made = request.getfixturevalue("shop")
        return shop
    return make(registry.load(request.param), 40)
