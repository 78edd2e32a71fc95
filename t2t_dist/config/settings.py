"""One configuration: this model is the YAML file, the flags (``--set a.b=c``) and the help (``--print-config``).

Fields marked :data:`HOW` say how a run is carried out, not what comes out: they are not part of a run's identity and
may differ when it is resumed.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS, Intent

from .engines import HOW, EngineConfig, PoolConfig, Replicas, Section
from .model_names import is_built_in, parse_model


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


class ModelSettings(Section):
    """How models are asked; the same for every model of a run, except sampling, which goes by seat."""

    sampling: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="sampling fields by seat, sent as they are: temperature, top_p, max_tokens"
    )
    api_key_env: str | None = Field(
        None, description="environment variable that holds the endpoints' API key", json_schema_extra=HOW
    )
    send_seed: bool = Field(True, description="send a sampling seed with each request")
    carry_reasoning: bool | None = Field(
        None,
        description="send a model's reasoning of earlier turns back to it; default: where its template wants it,"
        " and to all endpoints of others",
    )
    capture: Literal["none", "tokens"] = Field(
        "none", description="tokens keeps token ids and log probabilities in the rows (vLLM only)"
    )
    deadline_s: float = Field(
        600.0, gt=0, description="seconds for one request, its whole answer included", json_schema_extra=HOW
    )
    max_attempts: int = Field(4, ge=1, description="requests for one call, the first included", json_schema_extra=HOW)
    backoff_base_s: float = Field(
        0.5, ge=0, description="seconds of the first wait between two of them; doubles", json_schema_extra=HOW
    )
    patience_s: float = Field(
        900.0,
        ge=0,
        description="seconds that a call waits for a pool whose engines are away or full",
        json_schema_extra=HOW,
    )
    record: str | None = Field(
        None, description="file to which every exchange is appended, for recorded:FILE", json_schema_extra=HOW
    )


class BudgetConfig(Section):
    """Where a run may end before its last item; whichever comes first."""

    accepted: int | None = Field(None, ge=1, description="verified tasks")
    episodes: int | None = Field(None, ge=1, description="graded episodes")
    tokens: int | None = Field(None, ge=1, description="tokens of all seats, prompts and answers")
    wall_s: float | None = Field(None, gt=0, description="seconds of one session")


class AdaptiveConfig(Section):
    """For ``trials: adaptive``."""

    least: int = Field(2, ge=1, description="episodes that every task gets")
    most: int = Field(16, ge=1, description="episodes that none gets more than")
    sd: float = Field(
        0.15, gt=0, lt=0.5, description="enough once the pass rate's standard deviation is no larger than this"
    )

    @model_validator(mode="after")
    def _in_order(self) -> AdaptiveConfig:
        if self.most < self.least:
            raise ValueError(f"most ({self.most}) is below least ({self.least})")
        return self


class FaultsConfig(Section):
    """Faults that rollouts meet: shares of the tools, drawn anew for each episode, the same for all agents."""

    retry: float = Field(0.0, ge=0, le=1, description="share of tools whose first call fails")
    switch: float = Field(0.0, ge=0, le=1, description="share of tools that are out of order where another one will do")
    impossible: float = Field(0.0, ge=0, le=1, description="share of WRITE tools that are out of order")
    late: float = Field(0.0, ge=0, le=1, description="share of tools that answer late")
    late_s: float = Field(1.0, ge=0, description="how late, in seconds")
    tools: list[str] = Field([], description="only these tools; default: all of the agent's that touch data")

    @property
    def any(self) -> bool:
        return any((self.retry, self.switch, self.impossible, self.late))


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
            parsed = parse_model(name, seat)
            if parsed.pool_is_named and parsed.pool not in self.pools:
                known = ", ".join(self.pools) or "none"
                raise InputError(f"{seat} model '{name}': there is no such pool; under 'pools' there are: {known}")
        return wanted

    def used_pools(self) -> dict[str, PoolConfig]:
        """The pools that the run's models need, by name; those of ``vllm:MODEL`` are made of ``engine``."""
        found: dict[str, PoolConfig] = {}
        for name, seat in self.check_models():
            parsed = parse_model(name, seat)
            pool = parsed.pool
            if pool is None or pool in found:
                continue
            if parsed.pool_is_named:
                found[pool] = self.pools[pool]
            else:
                found[pool] = PoolConfig(model=parsed.what, **self.engine.model_dump())
        return found

    def asks_models(self) -> bool:
        """Whether anything waits for a model; what is scripted only computes."""
        names = [*self.agents, self.user, self.explorer, self.writer, *self.judges, self.verify.reference]
        return not all(map(is_built_in, names))

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
