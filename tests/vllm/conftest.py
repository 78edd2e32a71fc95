"""What the tests of a real vLLM and of its tokenizer share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.environments import registry
from tests.support.finished_run import LIBRARY, rows_of, write_run
from tests.support.made import make
from tests.support.matrix import tasks_of
from tests.vllm.serving import KEY, KEY_NAME, TEMPLATE
from tests.vllm.weights import checkpoint


@pytest.fixture(scope="session", autouse=True)
def key() -> Iterator[None]:
    """The server's, in the environment before any Ray starts, whose workers have to know it."""
    os.environ[KEY_NAME] = KEY
    yield
    del os.environ[KEY_NAME]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(str(checkpoint()))
    found.chat_template = TEMPLATE.read_text("utf-8")
    return found


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with twenty tasks and more of the library's desk."""
    out = tmp_path_factory.mktemp("tasks") / "library"
    found = tasks_of(make(registry.load(LIBRARY), 40), 6)
    assert len(found) >= 20
    write_run(out, rows_of(found))
    return out
