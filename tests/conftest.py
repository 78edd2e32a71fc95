"""What all tests share. Ray takes seconds to start: one for the whole session, and only where a test asks for it.

`make test` runs two workers of pytest-xdist: files that use Ray (the mark ``ray``) stay in one, so there is one Ray;
other files go to whichever is free, each as a whole, so that its fixtures are made once.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from tests.support.library_domain import Library
from tests.support.made import Made, make
from tests.support.ray_head import TOKEN
from tests.support.runs import environment
from tests.support.two_workers import Scheduler, uses_ray

# Laws of data hold at any speed: no example is refused for the time that a loaded machine takes. `.ci/run` tries the
# same examples each time, so that a failure there is due to the change; local runs get new ones.
settings.register_profile(
    "any_speed",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("EVERY_TEST")),
)
settings.load_profile("any_speed")

# For every Ray of the tests and every process that joins it. Ray reads the mode when it is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}

# A shell has them ignored in what it runs in the background or under nohup, and so would every process of a test.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

#: tests/vllm needs an environment with a real vLLM (`make test-vllm`); elsewhere it is left out, as the summary says.
HAS_VLLM = importlib.util.find_spec("vllm") is not None
#: A full disk is a small one that is mounted for the test.
CAN_MOUNT = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
#: A Python that has tau2-bench: another one, or this one; what needs it is left out where there is none.
TAU2_PYTHON = os.environ.get("T2T_TAU2_PYTHON") or (sys.executable if importlib.util.find_spec("tau2") else None)
TAU2_TESTS = ["environments/adapters/tau2/test_agreement.py", "synthesis/requests/tau2/test_meanings.py"]
collect_ignore = [
    *([] if HAS_VLLM else ["vllm"]),
    *([] if CAN_MOUNT else ["faults/test_full_disk.py"]),
    *([] if TAU2_PYTHON else TAU2_TESTS),
]


#: Folders with a command of their own: they take their time to start, or need what not every machine has.
APART = {
    "faults": "disturbed runs on one machine and on several, jobs, stores that go away (make test-cluster)",
    "ui": "the viewer in a real Chromium (make test-ui)",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the folders apart, unless they are named."""
    apart = collection_path.parent == Path(__file__).parent and collection_path.name in APART
    return True if apart and not _named(config, collection_path.name) else None


def _named(config: pytest.Config, folder: str) -> bool:
    return any(folder in Path(arg.partition("::")[0]).parts for arg in config.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not CAN_MOUNT:
        terminalreporter.write_line("not run here: tests/faults/test_full_disk.py, which mounts a small disk (as root)")
    if not HAS_VLLM:
        terminalreporter.write_line("not run here: tests/vllm, which needs a real vLLM (make test-vllm)")
    if not TAU2_PYTHON:
        for file in TAU2_TESTS:
            what = "which needs tau2-bench (T2T_TAU2_PYTHON names its Python)"
            terminalreporter.write_line(f"not run here: tests/{file}, {what}")
    for folder, what in APART.items():
        if not _named(terminalreporter.config, folder):
            terminalreporter.write_line(f"not run here: tests/{folder}, {what}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A worker of xdist begins with the longest: the files that use Ray."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not uses_ray(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as they were collected, those that use Ray as if they were one."""
    config.option.loadscopereorder = False
    return Scheduler(config, log)


# -- Ray ---------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of the session's Ray, which runs beside this process: its drivers may be killed."""
    command = [sys.executable, "-m", "tests.support.shared_ray"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the session's Ray did not start"
        yield address


@pytest.fixture
def shared_ray(ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that a test starts join the session's Ray, as they join any cluster."""
    monkeypatch.setenv("RAY_ADDRESS", ray_address)


@pytest.fixture(scope="session")
def local_ray(ray_address: str) -> Iterator[None]:
    """This process is connected to the session's Ray; runs in it take it for their own."""
    import ray

    ray.init(address=ray_address, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


# -- domains, and what was made on them once ---------------------------------------------------------------------------
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
