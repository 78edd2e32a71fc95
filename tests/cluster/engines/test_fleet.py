"""Runs whose engines we host, on a real Ray and on servers that only play vLLM: whatever dies, episodes are graded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from t2t_dist.cluster.doctor import examine
from t2t_dist.cluster.launch import run
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from tests.actors import fake_vllm
from tests.support.command_lines import command_of
from tests.support.finished_run import LIBRARY, rows_of, write_run
from tests.support.library_domain import Library
from tests.support.made import make
from tests.support.patience import PATIENCE_S, until
from tests.support.runs import command, duplicates, environment, here, here_json, start, t2t

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("shared_ray")]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with tasks."""
    out = tmp_path_factory.mktemp("tasks") / "run"
    made = make(Library(), 16)
    write_run(out, rows_of([task for task in made.tasks if task.verdict == "verified"]))
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's directory, as far as a server that only plays needs one."""
    folder = tmp_path_factory.mktemp("some-model")
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}"
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return folder


class Fake:
    """The settings of engines that only play, and what runs of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hold = folder / "hold"
        self.python = fake_vllm.interpreter(folder)

    def engine(self, plays: str = "") -> dict[str, Any]:
        env = {"FAKE": plays, "HOLD": str(self.hold), "SEEN": str(self.folder / "seen"), "HOME": str(self.folder)}
        return {"python": self.python, "env": env, "start_deadline_s": 60.0}

    def file(self, **settings: Any) -> Path:
        """A config file."""
        found = self.folder / "run.yaml"
        found.write_text(
            yaml.safe_dump({"models": {"backoff_base_s": 0.05}, "verify": {"reference_trials": 0}} | settings)
        )
        return found

    def servers(self) -> list[psutil.Process]:
        """Running servers of ours, whichever test started them."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if "fake_vllm.py" in " ".join(process.cmdline()) and process.environ().get("HOME") == str(self.folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    found = Fake(tmp_path)
    yield found
    left = found.servers()
    for process in left:
        process.kill()
    assert left == [], "a server outlived its run"


def episodes(out: Path) -> list[dict[str, Any]]:
    return list(RunReader(open_storage(out), SCHEMAS).rows("episodes"))


def verified(tasks: Path) -> int:
    return sum(row["verdict"] == "verified" for row in RunReader(open_storage(tasks), SCHEMAS).rows("tasks"))


def paths(out: Path) -> list[list[str]]:
    """The engines that each conversation (seat of an episode) went to, one after the other."""
    found = []
    for row in episodes(out):
        for seat in ("agent", "user"):
            engines = [turn["engine"] for turn in row["turns"] if turn["seat"] == seat and turn["engine"]]
            found.append([engine for engine, _ in groupby(engines)])
    return [path for path in found if path]


def engines_of(out: Path) -> dict[str, dict[str, Any]]:
    """Of the status file: the engines by name."""
    data = open_storage(out).read("status.json") if out.exists() else None
    return {engine["engine"]: engine for engine in json.loads(data)["engines"]} if data else {}


def ends(driver: subprocess.Popen[str], seconds: float = PATIENCE_S) -> dict[str, Any]:
    """A driver's summary."""
    stdout, stderr = driver.communicate(timeout=seconds)
    assert driver.returncode == 0, stderr
    summary: dict[str, Any] = json.loads(stdout)
    return summary


def states(engine: dict[str, Any]) -> list[str]:
    return [state for _, state, _ in engine["timeline"]]


def actor_of(server: int) -> psutil.Process:
    """The process of the InferenceActor that a server runs under."""
    return next(each for each in psutil.Process(server).parents() if "InferenceActor" in " ".join(command_of(each)))


# -- deaths ------------------------------------------------------------------------------------------------------------
def test_a_server_and_an_actor_die_and_every_episode_is_graded(
    tasks: Path, model: Path, fake: Fake, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    pool = {"model": str(model), "replicas": 2, **fake.engine()}
    fake.hold.touch()
    flags = ["--config", fake.file(pools={"mine": pool}), "--agent", "pool:mine", "--user", "pool:mine"]
    driver = start("evaluate", tasks, *flags, "--workers", 2, "--out", out, "--json")
    try:
        both = ("mine#0", "mine#1")

        def answers() -> bool:
            seen = engines_of(out)
            return all(seen.get(each, {}).get("metrics", {}).get("generation_tokens") for each in both)

        until(answers, "the first answers of both")
        pids = {each: engines_of(out)[each]["pid"] for each in both}
        os.kill(pids["mine#0"], signal.SIGKILL)
        actor_of(pids["mine#1"]).kill()
        again = ["dead", "restarting", "healthy"]
        until(lambda: all(states(each)[-3:] == again for each in engines_of(out).values()), "both restarts")
        shown = here("status", out)
        assert shown.returncode == 0, shown.stderr
        assert "running" in shown.stdout
        assert "its server ended with code 137" in shown.stdout
        fake.hold.unlink()
        summary = ends(driver)
    finally:
        fake.hold.unlink(missing_ok=True)
        driver.kill()
    assert summary["failures"] == {}
    assert summary["episodes"] == len(episodes(out)) == verified(tasks)
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert set().union(*paths(out)) == set(both)
    assert max(map(len, paths(out))) <= 3, "moved for each death at most"
    status = here_json("status", out)
    assert status["state"] == "finished"
    for engine in status["engines"]:
        assert engine["restarts"] == 1
        assert states(engine) == ["starting", "healthy", "dead", "restarting", "healthy"]


def test_nothing_outlives_a_driver_that_is_killed(tasks: Path, model: Path, fake: Fake, tmp_path: Path) -> None:
    fake.hold.touch()
    settings = [part for key, value in fake.engine().items() for part in ("--set", f"engine.{key}={json.dumps(value)}")]
    flags = [*settings, "--agent", f"vllm:{model}", "--workers", 1, "--out", tmp_path / "out"]
    driver = start("evaluate", tasks, *flags)
    try:
        servers = until(fake.servers, "a server")
        actor = actor_of(servers[0].pid)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    assert psutil.wait_procs([*servers, actor], timeout=PATIENCE_S)[1] == []


def test_sigterm_while_the_engines_start_ends_the_run_at_once(
    tasks: Path, model: Path, fake: Fake, tmp_path: Path
) -> None:
    pool = {"model": str(model), **fake.engine("silent")}
    flags = ["--config", fake.file(pools={"mine": pool}), "--agent", "pool:mine", "--workers", 1]
    driver = start("evaluate", tasks, *flags, "--out", tmp_path / "out")
    try:
        until(fake.servers, "a server")
        driver.send_signal(signal.SIGTERM)
        _, stderr = driver.communicate(timeout=PATIENCE_S)
    finally:
        driver.kill()
    assert driver.returncode == 75, stderr
    assert "the same command resumes it" in stderr


# -- pools of several kinds --------------------------------------------------------------------------------------------
@contextmanager
def endpoint(model: str) -> Iterator[str]:
    """A third-party server."""
    words = [command()[0], "-m", "tests.support.fake_endpoint", "--port", "0", "--model", model]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


DOWN = "http://127.0.0.1:9/v1"


def rolled(tasks: Path, out: Path, config: Config) -> list[dict[str, Any]]:
    """Evaluate in this process; the engines at the end."""
    result = run("evaluate", config.model_copy(update={"source": str(tasks)}), str(out))
    assert not any(name.startswith("failures") for name in result.state.counters), result.state.counters
    assert len(episodes(out)) == len(result.state.items)
    return result.engines


def configured(agent: str, user: str = "scripted", **settings: Any) -> Config:
    base = {"domain": LIBRARY, "agents": [agent], "user": user, "cluster.workers": 2, "cluster.address": "local"}
    quick = {"models.backoff_base_s": 0.05, "verify.reference_trials": 0, "limit": 16}
    return load_config(None, {**base, **quick, **settings})


def test_hosted_engines_and_third_party_endpoints_in_one_pool(
    tasks: Path, model: Path, fake: Fake, tmp_path: Path, local_ray: None
) -> None:
    with endpoint(str(model)) as url:
        hosted = {"model": str(model), "replicas": {"min": 2, "max": 3}, **fake.engine()}
        pools = {"mixed": hosted | {"urls": [f"{url}/", DOWN]}, "unused": {"model": "nobody", "urls": [DOWN]}}
        engines = rolled(tasks, tmp_path / "out", configured("pool:mixed", "pool:mixed", pools=pools))
    by_name = {engine["engine"]: engine for engine in engines}
    assert set(by_name) == {"mixed@0", "mixed@1", "mixed#0", "mixed#1", "mixed#2"}
    assert by_name["mixed@1"]["state"] == "starting", "down at the start, and nobody waits for it"
    assert by_name["mixed@0"]["state"] == "healthy"
    found = paths(tmp_path / "out")
    moved = [path for path in found if len(path) > 1]
    assert len(moved) <= len(found) // 10, "a conversation stays where it is, unless its engine stalls"
    used = {path[0] for path in found}
    assert "mixed@0" in used
    assert used - {"mixed@0"}, "the run began with two at least"
    assert all("generation_tokens" in by_name[name]["metrics"] for name in used - {"mixed@0"})
    assert by_name["mixed@0"]["metrics"] == {}, "others need not have any"


# -- what can't be -----------------------------------------------------------------------------------------------------
def complaint(tasks: Path, out: Path, config: Config) -> str:
    with pytest.raises(InputError) as error:
        rolled(tasks, out, config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_model_that_is_not_there_is_one_line(tasks: Path, fake: Fake, tmp_path: Path) -> None:
    flags = ["--agent", f"vllm:{tmp_path}/none", "--set", f"engine.python={fake.python}", "--workers", 1]
    done = t2t("evaluate", tasks, *flags, "--out", tmp_path / "out")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1
    assert f"no model {tmp_path}/none: no such directory" in lines[0]
    assert "Traceback" not in done.stderr
    status = here_json("status", tmp_path / "out")
    assert status["state"] == "failed"
    assert "no such directory" in status["why"]


@pytest.mark.usefixtures("local_ray")
def test_an_engine_that_dies_at_every_start_gives_its_last_words(
    tasks: Path, model: Path, fake: Fake, tmp_path: Path
) -> None:
    pools = {"mine": {"model": str(model), **fake.engine("crash")}}
    message = complaint(tasks, tmp_path / "out", configured("pool:mine", pools=pools))
    assert "engine mine#0: vLLM: ValueError: the weights are of another shape" in message
    assert "mine#0.log" in message


@pytest.mark.usefixtures("local_ray")
def test_an_engine_that_was_up_and_never_comes_back_is_given_up(
    tasks: Path, model: Path, fake: Fake, tmp_path: Path
) -> None:
    fake.hold.touch()
    pools = {"mine": {"model": str(model), "max_restarts": 1, **fake.engine("relapse")}}
    killed: list[int] = []

    def kill(_: Any) -> None:
        status = engines_of(tmp_path / "out")
        if not killed and status and status["mine#0"]["state"] == "healthy":
            killed.append(status["mine#0"]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    config = configured("pool:mine", pools=pools, source=str(tasks))
    with pytest.raises(InputError) as error:
        run("evaluate", config, str(tmp_path / "out"), kill)
    assert killed
    assert "pool mine: its engines were given up after 1 restarts" in str(error.value)
    assert "RuntimeError: it was good only once" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("local_ray")
def test_gpus_that_no_node_has(tasks: Path, model: Path, fake: Fake, tmp_path: Path) -> None:
    pools = {"mine": {"model": str(model), **fake.engine(), "device": "gpu", "tensor_parallel": 2}}
    message = complaint(tasks, tmp_path / "out", configured("pool:mine", pools=pools))
    assert "needs 2 GPUs on one node, and no node has any" in message
    assert "engine.device=cpu" in message


def test_a_pool_that_is_not_there_and_one_that_is_down(tasks: Path, fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such pool; under 'pools' there are: mine"):
        rolled(tasks, tmp_path / "out", configured("pool:mien", pools={"mine": {"model": "m"}}))
    down = {"mine": {"model": "m", "urls": [DOWN, "http://127.0.0.1:19/v1"]}}
    assert f"endpoint {DOWN} can't be reached" in complaint(
        tasks, tmp_path / "out", configured("pool:mine", pools=down)
    )


# -- doctor ------------------------------------------------------------------------------------------------------------
def points(config: Config) -> dict[str, tuple[str, str]]:
    found = examine(config, None)
    return {point: (state, detail) for point, state, detail in found}


@pytest.mark.usefixtures("local_ray")
def test_the_doctor_starts_an_engine_and_examines_it(model: Path, fake: Fake) -> None:
    config = configured("pool:mine", pools={"mine": {"model": str(model), "replicas": 3, **fake.engine()}})
    found = points(config)
    assert found["engines"][0] == "ok"
    assert found["vLLM"] == ("ok", f"vllm 0.30.0 in {fake.python}")
    assert found[f"{model}: routes"] == ("ok", "/health, /metrics, /v1/models, /tokenize")
    assert found[f"{model}: request fields"] == ("ok", "seed, logprobs, return_token_ids")
    assert found[f"{model}: one tool"] == ("ok", "called")


@pytest.mark.usefixtures("local_ray")
def test_the_doctor_says_why_an_engine_does_not_start_or_serve(model: Path, fake: Fake) -> None:
    found = points(configured("pool:mine", pools={"mine": {"model": str(model), **fake.engine("crash")}}))
    assert found["engines"][0] == "defect"
    assert "the weights are of another shape" in found["engines"][1]
    found = points(configured("pool:mine", pools={"mine": {"model": str(model), **fake.engine("toolless")}}))
    state, detail = found[f"{model}: one tool"]
    assert state == "defect"
    assert "tool-call-parser" in detail


def test_the_doctor_on_third_party_endpoints_as_text_and_json(tmp_path: Path) -> None:
    with endpoint("m") as url:
        models = (f"openai:m@{url}", f"openai:other@{url}", f"openai:m@{DOWN}")
        flags = [part for model in models for part in ("--agent", model)]
        done = t2t("doctor", *flags, "--out", tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    states_of = [(each["point"], each["state"]) for each in found["findings"]]
    assert ("m: one token", "ok") in states_of
    assert ("m: one tool", "ok") in states_of
    assert ("m: request fields", "note") in states_of, "it gives no tokens"
    assert ("vLLM", "note") in states_of, "not needed"
    defects = {each["point"]: each["detail"] for each in found["findings"] if each["state"] == "defect"}
    assert found["defects"] == len(defects) == 2
    assert "it lists: m" in defects["other: model"]
    assert f"{DOWN} can't be reached" in defects["m"]
    for words in ("one tool", "it lists: m", "can't be reached", "Python"):
        assert words in done.stderr


def test_status_of_what_is_no_run(tmp_path: Path, tasks: Path) -> None:
    for where, message in ((tmp_path / "none", "none"), (tasks, "no driver has written to it")):
        done = here("status", where)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
