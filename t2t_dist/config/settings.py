"""One configuration: this model is the YAML file, the flags (``--set a.b=c``) and the help (``--print-config``).

Fields marked :data:`HOW` say how a run is carried out, not what comes out: they are not part of a run's identity and
may differ when it is resumed.
"""

from __future__ import annotations

import ipaddress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS, Intent
from t2t_dist.models.clients import ModelSettings, parse_model, pool_name
from t2t_dist.pipeline.budget import BudgetConfig
from t2t_dist.pipeline.trials import AdaptiveConfig
from t2t_dist.simulation.conversation import Limits
from t2t_dist.simulation.tool_faults import FaultsConfig

from .engines import HOW, EngineConfig, PoolConfig, Replicas, Section


class VerifyConfig(Section):
    """Thresholds of verification."""

    min_mark: float = Field(7.0, ge=1, le=10, description="lowest mean mark of the judges, 1-10")
    reference: str = Field("scripted:oracle", description="agent whose rollouts show that a task can be solved")
    reference_trials: int = Field(1, ge=0, description="its rollouts a task; 0 leaves solvability open")
    min_passes: int = Field(1, ge=0, description="how many of them have to pass")
    band: tuple[float, float] = Field((0.0, 1.0), description="measured pass rates to keep, lowest and highest")
    reference_tasks: list[str] = Field([], description="run directories whose tasks must not be met again")


class LimitsConfig(Section):
    """Where a conversation is cut off."""

    max_steps: int = Field(100, ge=2, description="turns of agent and user together")
    max_errors: int = Field(10, ge=1, description="refused tool calls in a row")
    deadline_s: float = Field(3600.0, gt=0, description="seconds for a whole conversation", json_schema_extra=HOW)
    explore_s: float = Field(3600.0, gt=0, description="seconds for one exploration", json_schema_extra=HOW)
    convert_s: float = Field(1800.0, gt=0, description="seconds to word and judge one task", json_schema_extra=HOW)
    attempts: int = Field(3, ge=1, description="attempts at an episode that ends in a failure", json_schema_extra=HOW)

    def limits(self) -> Limits:
        return Limits(max_steps=self.max_steps, max_errors=self.max_errors, deadline_s=self.deadline_s)


class MetricsConfig(Section):
    """Where a run's driver serves its metrics for Prometheus. Off unless there is a port."""

    port: int | None = Field(None, ge=0, le=65535, description="port of /metrics, /sd and /healthz; 0 takes a free one")
    host: str = Field("127.0.0.1", description="address they listen on; one that others reach needs a token")
    token_env: str | None = Field(None, description="environment variable with the bearer token that is asked for")
    linger_s: float = Field(0.0, ge=0, description="seconds a run that is over waits for one more scrape of its end")

    @model_validator(mode="after")
    def _guarded(self) -> MetricsConfig:
        if self.token_env is None and not is_loopback(self.host):
            raise ValueError(f"host {self.host} is reached by others: name a variable with a token in token_env")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; names other than localhost are taken not to."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ClusterConfig(Section):
    """Where and how wide it runs."""

    address: str | None = Field(
        None, description="a Ray cluster, HOST:PORT or auto; default: RAY_ADDRESS, or a Ray of this run's own"
    )
    workers: Replicas | None = Field(
        None, description="worker processes, a number or {min: 2, max: 64}; default: one for each CPU there is"
    )
    worker_cpus: float = Field(1.0, gt=0, description="CPUs that a worker takes of a cluster's node")
    concurrency: int = Field(256, ge=1, description="episodes at once, all workers together")
    lease_s: float = Field(60.0, gt=1, description="seconds a worker may be silent before its episodes go to others")
    wait_s: float = Field(600.0, gt=0, description="seconds to wait for a node with room for a worker")
    metrics: MetricsConfig = MetricsConfig()

    @field_validator("workers")
    @classmethod
    def _some(cls, workers: Replicas | None) -> Replicas | None:
        if workers is not None and workers.min < 1:
            raise ValueError("a run needs a worker; give 1 or more")
        return workers


class Config(Section):
    """Everything a run depends on."""

    domain: str = Field(
        "retail", description="a domain's name, or package.module:attribute; a split of it: retail:test"
    )
    domain_seed: int = Field(0, description="seed of the domain's database")
    scale: float = Field(1.0, gt=0, le=1000, description="size of the domain's database; 1.0 is its default size")
    seed: int = Field(0, description="seed of the run")
    trajectories: int = Field(100, ge=1, description="explorations to make")
    until: Literal["explore", "convert", "rollout"] = Field("rollout", description="last stage to run")
    intents: list[Intent] = Field(list(INTENTS), min_length=1, description="intents to make tasks of")
    explorer: str = Field("graph", description="who explores: graph, openai:MODEL@URL, recorded:FILE")
    writer: str = Field("template", description="who puts tasks into words: template, openai:..., recorded:...")
    judges: list[str] = Field([], description="models that mark each task; none by default")
    agents: list[str] = Field(["scripted:oracle"], min_length=1, description="agents to roll out")
    user: str = Field("scripted", description="the simulated user: scripted, openai:..., recorded:...")
    trials: int | Literal["adaptive"] = Field(
        1, description="episodes a task and agent; adaptive: more where the pass rate is least certain"
    )
    adaptive: AdaptiveConfig = AdaptiveConfig()
    source: str | None = Field(None, description="a run directory whose tasks, or trajectories, are taken")
    limit: int | None = Field(None, ge=1, description="take only so many of them")
    feedback: bool = Field(
        False, description="explore more of what gives tasks within verify.band; two runs then differ"
    )
    verify: VerifyConfig = VerifyConfig()
    limits: LimitsConfig = LimitsConfig()
    faults: FaultsConfig = Field(FaultsConfig(), description="faults of tools that rollouts meet")
    models: ModelSettings = ModelSettings()
    engine: EngineConfig = Field(EngineConfig(), description="how engines of vllm:MODEL are started")
    pools: dict[str, PoolConfig] = Field({}, description="models by a name of yours, for pool:NAME")
    budget: BudgetConfig = Field(BudgetConfig(), json_schema_extra=HOW)
    cluster: ClusterConfig = Field(ClusterConfig(), json_schema_extra=HOW)

    @field_validator("trials")
    @classmethod
    def _some(cls, trials: int | str) -> int | str:
        if trials != "adaptive" and int(trials) < 1:
            raise ValueError("give 1 or more, or adaptive")
        return trials

    @property
    def sure_trials(self) -> int:
        """Episodes that every task and agent gets: so far pass^k can be said of all tasks."""
        return self.adaptive.least if isinstance(self.trials, str) else self.trials

    @field_validator("intents")
    @classmethod
    def _in_order(cls, intents: list[Intent]) -> list[Intent]:
        return [intent for intent in INTENTS if intent in intents]

    def check_models(self) -> list[tuple[str, str]]:
        """Every (name, seat) the run will use. Raises InputError for a name that is not known."""
        wanted = [(agent, "agent") for agent in self.agents] + [(self.user, "user")]
        wanted += [(self.explorer, "explorer"), (self.writer, "writer")]
        wanted += [(judge, "judge") for judge in self.judges]
        if self.verify.reference_trials:
            wanted.append((self.verify.reference, "agent"))
        for name, seat in wanted:
            parse_model(name, seat)
            if name.startswith("pool:") and pool_name(name) not in self.pools:
                known = ", ".join(self.pools) or "none"
                raise InputError(f"{seat} model '{name}': there is no such pool; under 'pools' there are: {known}")
        return wanted

    def used_pools(self) -> dict[str, PoolConfig]:
        """The pools that the run's models need, by name; those of ``vllm:MODEL`` are made of ``engine``."""
        found: dict[str, PoolConfig] = {}
        for name, _ in self.check_models():
            pool = pool_name(name)
            if pool is None or pool in found:
                continue
            if name.startswith("pool:"):
                found[pool] = self.pools[pool]
            else:
                found[pool] = PoolConfig(model=pool.removeprefix("vllm:"), **self.engine.model_dump())
        return found

    def asks_models(self) -> bool:
        """Whether anything waits for a model; what is scripted only computes."""
        names = [*self.agents, self.user, self.explorer, self.writer, *self.judges, self.verify.reference]
        return any(name.partition(":")[0] not in ("scripted", "graph", "template") for name in names)

    def results_part(self) -> dict[str, Any]:
        """What changes results, flat: ``{"verify.min_mark": 7.0}``. ``source`` counts by its content, not its path."""
        flat = {name: value for name, value in _flat(self).items() if name not in ("source", "pools")}
        flat = {name: value for name, value in flat.items() if not name.startswith("engine.")}
        for name, pool in self.used_pools().items():
            flat |= _flat(pool, f"pools.{name}.")
        return flat


def _flat(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, info in type(section).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("results") is False:
            continue
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = list(value) if isinstance(value, tuple) else value
    return found


def load_config(file: str | None, overrides: dict[str, Any]) -> Config:
    """A config from a YAML file (or none) with dotted overrides on top.

    Raises:
        InputError: one line: unreadable file, unknown key (with the nearest one), wrong value.
    """
    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = yaml.safe_load(Path(file).read_text("utf-8")) or {}
        except OSError as error:
            raise InputError(f"config {file}: {error.strerror or error}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"config {file} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, dict):
            raise InputError(f"config {file} must be a mapping of settings, such as 'domain: retail'")
    for path, value in overrides.items():
        _put(data, path, value)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise InputError(_explain(error, file)) from None


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    keys = path.split(".")
    for key in keys[:-1]:
        inner = data[key] = data.get(key) or {}  # a section may be empty in the file
        if not isinstance(inner, dict):
            raise InputError(f"--set {path}: '{key}' is a value, not a section")
        data = inner
    data[keys[-1]] = value


def parse_setting(text: str) -> tuple[str, Any]:
    """``a.b=c`` as (path, value); the value is read as YAML. Raises InputError."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise InputError(f"--set {text}: write it as name=value, such as limits.max_steps=60")
    try:
        return path.strip(), yaml.safe_load(value) if value.strip() else ""
    except yaml.YAMLError:
        raise InputError(f"--set {text}: the value is not YAML; put it into quotes") from None


def _explain(error: ValidationError, file: str | None) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = f"config {file}: " if file else "config: "
    if first["type"] == "extra_forbidden":
        section: type[BaseModel] = Config
        for part in path[:-1]:
            inner = section.model_fields[part].annotation if part in section.model_fields else None
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                section = inner
        near = get_close_matches(path[-1], section.model_fields, 3, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"settings here: {', '.join(section.model_fields)}"
        return f"{where}there is no setting '{'.'.join(path)}'; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}{'.'.join(path) or 'settings'}: {message[:1].lower()}{message[1:]}, got {first['input']!r:.80}"
