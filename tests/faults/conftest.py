"""What the tests of disturbed runs share."""

from __future__ import annotations

import pytest

from t2t_dist.cluster.launch import run
from t2t_dist.config.loading import load_config
from tests.support.stores import SETTINGS, digests


@pytest.fixture(scope="session")
def calm(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Digests of an undisturbed run on a local disk."""
    out = str(tmp_path_factory.mktemp("runs") / "calm")
    run("generate", load_config(None, SETTINGS), out)
    return digests(out)
