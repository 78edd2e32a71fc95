"""A run under the eyes of a real Prometheus with the files of cluster/deploy: found, scraped, every query tried."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.actors import fake_vllm
from tests.support.debian import program
from tests.support.patience import PATIENCE_S, until
from tests.support.runs import ROOT, here, start

DEPLOY = ROOT / "cluster" / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
#: What has no finite value without a GPU.
OF_GPUS = "t2t_gpu_seconds_total"
TRAJECTORIES = 30


# -- the files ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_promtool(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), *words], cwd=DEPLOY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr


def test_every_alert_is_tested_to_fire() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]
    cases = [case for each in tests for case in each["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules}


class Query(NamedTuple):
    panel: str
    expr: str


def queries() -> list[Query]:
    """Of the dashboard, with Grafana's variables put in."""
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$run", ".*").replace("$pool", ".*").replace("$__rate_interval", "10s")
            assert "$" not in expr
            found.append(Query(panel["title"], expr))
    return found


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} overlaps another panel"
        assert at["x"] + at["w"] <= 24
        taken |= cells
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(panels)
    assert set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"} == variables


# -- a run and a Prometheus --------------------------------------------------------------------------------------------
def got(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        return json.load(response)


def seen(found: Callable[[], Any], what: str, driver: subprocess.Popen[str] | None = None) -> Any:
    """What is found in time, while the driver runs."""

    def now() -> Any:
        if driver is not None:
            assert driver.poll() is None, driver.communicate()[1]
        try:
            return found()
        except (OSError, urllib.error.URLError, KeyError, json.JSONDecodeError):
            return None

    return until(now, what, 100)


def status_of(out: Path) -> dict[str, Any] | None:
    """The driver's words, once it serves metrics."""
    found: dict[str, Any] = json.loads((out / "status.json").read_text())
    return found if found["metrics"] else None


class Prometheus:
    """A server of the package, with our files; only the address of the run, and its haste, are the test's."""

    def __init__(self, folder: Path, driver: str) -> None:
        config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        for job in config["scrape_configs"]:
            job["http_sd_configs"] = [{"url": f"{driver}/sd", "refresh_interval": "1s"}]
        rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
        for rule in rules["groups"][0]["rules"]:
            rule.pop("for", None)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
        self.log = folder / "prometheus.log"
        flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [program("prometheus", "prometheus"), *flags], cwd=folder, stdout=log, stderr=log
            )
        found = seen(lambda: re.search(r"Listening on.*address=(127\.0\.0\.1:\d+)", self.log.read_text()), "its port")
        self.url = f"http://{found[1]}"

    def api(self, path: str, **given: Any) -> Any:
        answer = got(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(given, doseq=True)}")
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expr: str, begun: float) -> list[float]:
        """All values of an expression since then, ten per second: a series ends with the scrape after its last."""
        data = self.api("query_range", query=expr, start=begun, end=time.time(), step=0.1)
        return [float(value) for series in data["result"] for _, value in series["values"]]

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Watched(NamedTuple):
    """A run that was watched from its begin to its end."""

    prometheus: Prometheus
    begun: float
    firing: set[tuple[str, str]]  # alert and engine, after the engine's death
    roles: dict[str, int]  # targets that were up before it
    text: str  # of /metrics, while it ran
    status: str  # of t2t status, while it ran
    stderr: str


@pytest.fixture(scope="module")
def watched(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program("prometheus", "prometheus")  # before anything is started for it
    folder = tmp_path_factory.mktemp("watched")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "qwen2"}')
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}"
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    hold, out, begun = folder / "hold", folder / "out", time.time()
    hold.touch()
    engine = {"python": fake_vllm.interpreter(folder), "env": {"HOLD": str(hold)}, "start_deadline_s": 60.0}
    settings = {
        "domain": "retail",
        "scale": 0.2,
        "trajectories": TRAJECTORIES,
        "agents": ["pool:mine"],
        "pools": {"mine": {"model": str(model), "replicas": 2, "max_restarts": 0, **engine}},
        "cluster": {"address": ray_address, "workers": 2, "metrics": {"port": 0, "linger_s": 20}},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    driver = start("generate", "--config", folder / "run.yaml", "--out", out)
    try:
        status = seen(lambda: status_of(out), "metrics", driver)
        with closing(Prometheus(folder, status["metrics"])) as prometheus:

            def scraped() -> dict[str, int]:
                up = prometheus.api("query", query="sum by (role) (up == 1)")["result"]
                return {each["metric"]["role"]: int(each["value"][1]) for each in up}

            def firing() -> set[tuple[str, str]]:
                alerts = prometheus.api("alerts")["alerts"]
                return {
                    (each["labels"]["alertname"], each["labels"].get("engine", ""))
                    for each in alerts
                    if each["state"] == "firing"
                }

            roles = seen(lambda: (found := scraped()) == {"driver": 1, "engine": 2} and found, "both scraped", driver)
            assert not {name for name, _ in firing()} & {"T2TEngineDown", "T2TPoolDown"}
            with urllib.request.urlopen(f"{status['metrics']}/metrics", timeout=PATIENCE_S) as response:
                text = response.read().decode()
            shown = here("status", out).stdout
            pids = {each["engine"]: each["pid"] for each in (status_of(out) or status)["engines"]}
            os.kill(pids["mine#0"], signal.SIGKILL)
            fired = seen(lambda: ("T2TEngineDown", "mine#0") in (found := firing()) and found, "the alert", driver)
            hold.unlink()
            _, stderr = driver.communicate(timeout=PATIENCE_S)
            assert driver.returncode == 0, stderr
            seen(lambda: 1 in prometheus.values('t2t_run_state{state="finished"}', begun), "the last scrape")
            yield Watched(prometheus, begun, fired, roles, text, shown, stderr)
    finally:
        hold.unlink(missing_ok=True)
        driver.kill()
        driver.communicate()
        shutil.rmtree(folder / "data", ignore_errors=True)


@pytest.mark.ray
def test_driver_and_engines_are_found_and_scraped(watched: Watched) -> None:
    assert watched.roles == {"driver": 1, "engine": 2}
    engines = watched.prometheus.api("series", **{"match[]": "vllm:num_requests_running", "start": watched.begun})
    assert {(each["pool"], each["engine"]) for each in engines} == {("mine", "mine#0"), ("mine", "mine#1")}
    assert {each["run"] for each in engines} == set(watched.prometheus.api("label/run/values"))


@pytest.mark.ray
def test_a_killed_engine_fires_its_alert_and_no_other(watched: Watched) -> None:
    assert ("T2TEngineDown", "mine#0") in watched.firing
    assert ("T2TEngineDown", "mine#1") not in watched.firing
    assert "T2TPoolDown" not in {name for name, _ in watched.firing}, "the other engine continues"


@pytest.mark.ray
@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel}: {query.expr}"[:90])
def test_each_query_of_the_dashboard_shows_something(watched: Watched, query: Query) -> None:
    found = watched.prometheus.values(query.expr, watched.begun)
    assert found
    if OF_GPUS not in query.expr:
        assert any(map(math.isfinite, found)), f"only {set(map(str, found))}"


@pytest.mark.ray
def test_each_variable_of_the_dashboard_has_values(watched: Watched) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            selector = selector.replace("$run", ".*")
            assert watched.prometheus.api(f"label/{label}/values", **{"match[]": selector}), variable["name"]


@pytest.mark.ray
def test_each_alert_rule_is_evaluated_on_series_that_exist(watched: Watched) -> None:
    rules = watched.prometheus.api("rules")["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} == {"ok"}
    names = set(watched.prometheus.api("label/__name__/values"))
    for rule in rules:
        used = set(re.findall(r"\bt2t_\w+", rule["query"]))
        assert used, rule["name"]
        # An engine in no trouble has no such series: that is what the alert is about.
        assert used - {"t2t_engine_admission_trouble"} <= names, rule["name"]


@pytest.mark.ray
def test_the_last_figures_are_those_of_the_run(watched: Watched) -> None:
    """``linger_s``: the end of a run is scraped too."""
    ask = watched.prometheus
    assert max(ask.values('t2t_items{state="done"}', watched.begun)) == TRAJECTORIES
    assert max(ask.values('t2t_run_state{state="finished"}', watched.begun)) == 1
    verified = max(ask.values('sum(t2t_tasks_total{verdict="verified"})', watched.begun))
    assert verified == max(ask.values('t2t_episodes_total{stage="rollout"}', watched.begun)) > 0
    made = max(ask.values("sum(t2t_tasks_total)", watched.begun))
    assert made == max(ask.values('t2t_committed_rows_total{table="tasks"}', watched.begun)) > verified
    calls = max(ask.values('t2t_model_calls_total{pool="mine",outcome="ok"}', watched.begun))
    assert calls >= verified
    assert max(ask.values('t2t_tokens_total{pool="mine",kind="cached"}', watched.begun)) > 0
    assert max(ask.values("t2t_committed_rows_total{table='episodes'}", watched.begun)) >= verified


@pytest.mark.ray
def test_names_follow_the_conventions(watched: Watched) -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=watched.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert "t2t_engine_kv_cache_usage_ratio{" in watched.text


@pytest.mark.ray
def test_the_address_is_reported(watched: Watched) -> None:
    assert re.search(r"^metrics at http://127\.0\.0\.1:\d+/metrics$", watched.stderr, re.MULTILINE)
    assert re.search(r"metrics at http://127\.0\.0\.1:\d+/metrics, for Prometheus at /sd", watched.status)
