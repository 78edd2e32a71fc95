"""The configuration of a run: one model for the YAML file, the flags (``--set a.b=c``) and ``--print-config``.

Fields marked :data:`HOW` change how a run is carried out, not its results: they are not part of a run's identity and
may differ when it is resumed. Descriptions are help texts.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS, Intent

from .difficulty import difficulty_from
from .engines import HOW, EngineConfig, KeyVariable, PoolConfig, Replicas, Section
from .model_names import is_built_in, parse_model


class VerifyConfig(Section):
    """Thresholds for keeping a task."""

    min_mark: float = Field(7.0, ge=1, le=10, description="lowest mean mark of the judges to accept, 1-10")
    reference: str = Field("scripted:oracle", description="agent whose rollouts show whether a task can be solved")
    reference_trials: int = Field(1, ge=0, description="its rollouts per task; 0 skips the check")
    min_passes: int = Field(1, ge=0, description="how many of these rollouts have to pass")
    band: tuple[float, float] = Field(
        (0.0, 1.0), strict=False, description="lowest and highest measured pass rate of a task to keep"
    )
    reference_tasks: list[str] = Field([], description="run directories whose tasks must not occur again")


class LimitsConfig(Section):
    """Limits of a conversation, of exploring and of making a task."""

    max_steps: int = Field(100, ge=2, description="turns of agent and user together")
    max_errors: int = Field(10, ge=1, description="consecutive refused tool calls")
    deadline_s: float = Field(3600.0, gt=0, description="seconds per conversation", json_schema_extra=HOW)
    explore_s: float = Field(3600.0, gt=0, description="seconds per exploration", json_schema_extra=HOW)
    convert_s: float = Field(1800.0, gt=0, description="seconds to write and judge one task", json_schema_extra=HOW)
    attempts: int = Field(3, ge=1, description="attempts at an episode before it is a failure", json_schema_extra=HOW)
    stop_if_first_fail: int = Field(
        20,
        ge=0,
        description="a run stops early when its first items, this many, all fail alike; 0: it never does",
        json_schema_extra=HOW,
    )


class MetricsConfig(Section):
    """Where the driver serves Prometheus metrics. Off unless a port is set."""

    port: int | None = Field(None, ge=0, le=65535, description="port of /metrics, /sd and /healthz; 0 takes a free one")
    host: str = Field("127.0.0.1", description="address to listen on; any but loopback needs a token")
    token_env: KeyVariable | None = Field(None, description="environment variable with the bearer token to require")
    linger_s: float = Field(0.0, ge=0, description="seconds to wait after the run for a last scrape")

    @model_validator(mode="after")
    def _guarded(self) -> MetricsConfig:
        if self.token_env is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from other machines: name a variable with a token in token_env"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; of names, only localhost counts as such."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ClusterConfig(Section):
    """Where a run executes, and how wide."""

    address: str | None = Field(
        None, description="Ray cluster, HOST:PORT or auto; default: RAY_ADDRESS, else a private Ray on this machine"
    )
    workers: Replicas | None = Field(
        None, description="worker processes, a number or {min: 2, max: 64}; default: one per CPU"
    )
    worker_cpus: float = Field(1.0, gt=0, description="CPUs reserved per worker on a cluster")
    concurrency: int = Field(
        256, ge=1, description="most concurrent episodes, over all workers; each makes one model call at a time"
    )
    lease_s: float = Field(60.0, gt=1, description="seconds a worker may be silent before its items are requeued")
    wait_s: float = Field(600.0, gt=0, description="seconds to wait for a node with room for a worker")
    metrics: MetricsConfig = MetricsConfig()

    @field_validator("workers")
    @classmethod
    def _some(cls, workers: Replicas | None) -> Replicas | None:
        if workers is not None and workers.min < 1:
            raise ValueError("a run needs a worker; give 1 or more")
        return workers


class AnswerLimits(Section):
    """Bounds of one answer of an endpoint; what exceeds one is the failure ``engine_bad_response``. So is an answer
    whose finish reason does not say that it is whole."""

    mib: float = Field(8.0, gt=0, description="MiB of an answer, as sent and unpacked, and of a whole conversation")
    content: int = Field(1_000_000, ge=1, description="characters of its text, and of its reasoning")
    calls: int = Field(128, ge=1, description="tool calls in it")
    name: int = Field(1_000, ge=1, description="characters of a tool's name")
    arguments: int = Field(1_000_000, ge=1, description="characters of a call's arguments")
    finish_reasons: list[str | None] = Field(
        default_factory=list, description="more words of a server for the end of a whole answer; null: it gives none"
    )


class ModelSettings(Section):
    """How models are called; the same for all models of a run, except sampling, which is set by seat."""

    sampling: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="sampling fields by seat, passed on unchanged: temperature, top_p, max_tokens"
    )
    api_key_env: KeyVariable | None = Field(
        None, description="environment variable with the endpoints' API key", json_schema_extra=HOW
    )
    send_seed: bool = Field(True, description="send a sampling seed with each request")
    carry_reasoning: bool | None = Field(
        None,
        description="send a model its reasoning of earlier turns; default: if its chat template uses it,"
        " and always to external endpoints",
    )
    greeting: Literal["message", "system"] = Field(
        "message",
        description="where a model agent reads the fixed greeting: message, as its own first message; system, in its"
        " system prompt, for servers that want user and assistant in turn",
    )
    capture: Literal["none", "tokens"] = Field(
        "none", description="tokens: store token ids and log probabilities in the rows (vLLM only)"
    )
    answer: AnswerLimits = Field(AnswerLimits(), description="bounds of an answer", json_schema_extra=HOW)
    deadline_s: float = Field(
        600.0, gt=0, description="seconds per request, until its answer is complete", json_schema_extra=HOW
    )
    max_attempts: int = Field(4, ge=1, description="requests per call, including the first", json_schema_extra=HOW)
    backoff_base_s: float = Field(
        0.5, ge=0, description="seconds before the first retry; doubles each time", json_schema_extra=HOW
    )
    patience_s: float = Field(
        900.0,
        ge=0,
        description="seconds a call waits for a pool whose engines are down or full",
        json_schema_extra=HOW,
    )
    record: str | None = Field(
        None, description="file to append every exchange to, for recorded:FILE", json_schema_extra=HOW
    )


class BudgetConfig(Section):
    """Limits that end a run before its last item; the first one reached."""

    accepted: int | None = Field(None, ge=1, description="verified tasks")
    episodes: int | None = Field(None, ge=1, description="graded episodes")
    tokens: int | None = Field(None, ge=1, description="tokens of all seats, in prompts and answers")
    wall_s: float | None = Field(None, gt=0, description="seconds per session")


class AdaptiveConfig(Section):
    """Settings of ``trials: adaptive``."""

    least: int = Field(2, ge=1, description="fewest episodes per task and agent")
    most: int = Field(16, ge=1, description="most episodes per task and agent")
    sd: float = Field(0.15, gt=0, lt=0.5, description="stop when the standard deviation of the pass rate is this small")

    @model_validator(mode="after")
    def _in_order(self) -> AdaptiveConfig:
        if self.most < self.least:
            raise ValueError(f"most ({self.most}) is below least ({self.least})")
        return self


class FaultsConfig(Section):
    """Tool faults in rollouts: shares of the tools, drawn for each episode, the same for all agents."""

    retry: float = Field(0.0, ge=0, le=1, description="share of tools whose first call fails")
    switch: float = Field(
        0.0, ge=0, le=1, description="share of tools that are out of order where another tool can replace them"
    )
    impossible: float = Field(0.0, ge=0, le=1, description="share of WRITE tools that are out of order")
    late: float = Field(0.0, ge=0, le=1, description="share of tools that answer late")
    late_s: float = Field(1.0, ge=0, description="delay of late answers, in seconds")
    distractor: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of tools beside which the agent is offered one that looks like it, of no use",
    )
    paged: float = Field(0.0, ge=0, le=1, description="share of look-ups whose records come in pages")
    page_size: int = Field(2, ge=1, description="records on a page")
    truncated: float = Field(0.0, ge=0, le=1, description="share of look-ups whose long records come in parts")
    part_size: int = Field(300, ge=1, description="characters of a part, at least one field")
    stale: float = Field(
        0.0, ge=0, le=1, description="share of look-ups that show a field as it no longer is, and say which tool holds"
    )
    wrong: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of look-ups that show a field wrongly where another tool shows it, and holds",
    )
    tools: list[str] = Field([], description="tools that may have faults; default: all agent tools that touch data")

    @property
    def noise(self) -> bool:
        """Whether the agent may be shown anything else than without faults, apart from failures."""
        return any((self.distractor, self.paged, self.truncated, self.stale, self.wrong))

    @property
    def any(self) -> bool:
        return self.noise or any((self.retry, self.switch, self.impossible, self.late))


#: A weight beside others, which are 1.
Weight = Annotated[float, Field(ge=0, le=1000)]


class Config(Section):
    """The whole configuration of a run."""

    domain: str = Field("retail", description="a domain's name, or package.module:attribute; with a split: retail:test")
    domain_seed: int = Field(0, description="seed of the domain's database")
    scale: float = Field(1.0, gt=0, le=1000, description="size of the domain's database, relative to its default")
    seed: int = Field(0, description="seed of the run")
    trajectories: int = Field(100, ge=1, description="number of explorations")
    until: Literal["explore", "convert", "rollout"] = Field("rollout", description="last stage to run")
    intents: list[Intent] = Field(list(INTENTS), min_length=1, description="intents of the tasks to make")
    explorer: str = Field("graph", description="who explores: graph, openai:MODEL@URL, recorded:FILE")
    writer: str = Field("template", description="who words the tasks: template, openai:..., recorded:...")
    typos: float = Field(0.0, ge=0, le=0.5, description="share of words that the template writer mistypes in requests")
    difficulty: int | str = Field(
        1,
        description="how much of what they want customers describe, so that it has to be looked up: 1 (nothing) to 5"
        " (all), or shares of trajectories by level: 1=0.5,3=0.3,5=0.2",
    )
    twins: bool = Field(
        False, description="make a task's twin as well: the same words in a world where they ask for something else"
    )
    judges: list[str] = Field([], description="models that judge each task; default: none")
    agents: list[str] = Field(["scripted:oracle"], min_length=1, description="agents to roll out")
    user: str = Field("scripted", description="the simulated user: scripted, openai:..., recorded:...")
    grader: str | None = Field(
        None, description="model that decides what code can't decide about an episode; default: none, it has two bounds"
    )
    trials: int | Literal["adaptive"] = Field(
        1, description="episodes per task and agent; adaptive: more where the pass rate is least certain"
    )
    adaptive: AdaptiveConfig = AdaptiveConfig()
    source: str | None = Field(None, description="run directory to take tasks or trajectories from")
    limit: int | None = Field(None, ge=1, description="how many of them to take; default: all")
    errand_weights: dict[str, Weight] = Field(
        {},
        description="how often errands (tools that write, or workflows) are explored, relative to the domain's own"
        " weights: {cancel_pending_order: 2, modify_user_address: 0}; default: 1 each",
    )
    feedback: bool = Field(
        False, description="explore more of what gives tasks within verify.band; runs are then not reproducible"
    )
    verify: VerifyConfig = VerifyConfig()
    limits: LimitsConfig = LimitsConfig()
    rules: Literal["t2t", "tau2"] = Field(
        "t2t", description="whose prompts, greeting, seeds and ends a conversation has; tau2's only in tau2's worlds"
    )
    faults: FaultsConfig = Field(FaultsConfig(), description="tool faults in rollouts")
    models: ModelSettings = ModelSettings()
    engine: EngineConfig = Field(EngineConfig(), description="how hosted engines of vllm:MODEL are started")
    pools: dict[str, PoolConfig] = Field({}, description="pools by name, for pool:NAME")
    budget: BudgetConfig = Field(BudgetConfig(), json_schema_extra=HOW)
    cluster: ClusterConfig = Field(ClusterConfig(), json_schema_extra=HOW)

    @field_validator("difficulty", mode="before")
    @classmethod
    def _level_or_shares(cls, difficulty: Any) -> int | str:
        return difficulty_from(difficulty)

    @field_validator("trials", mode="before")
    @classmethod
    def _some(cls, trials: Any) -> Any:
        given = int(trials) if isinstance(trials, str) and trials.isdecimal() else trials
        if given != "adaptive" and (type(given) is not int or given < 1):
            raise ValueError("give 1 or more, or adaptive")
        return given

    @model_validator(mode="after")
    def _as_tau2(self) -> Config:
        """With tau2's rules, what is not set is as ``tau2 run`` has it."""
        if self.rules == "tau2":
            for section, name, value in ((self, "seed", 300), (self.limits, "max_steps", 200)):
                if name not in section.model_fields_set:
                    setattr(section, name, value)
            for seat in ("agent", "user"):
                self.models.sampling.setdefault(seat, {"temperature": 0.0})
        return self

    @property
    def sure_trials(self) -> int:
        """Episodes that every task and agent gets: the largest k for which pass^k covers all tasks."""
        return self.adaptive.least if isinstance(self.trials, str) else self.trials

    @field_validator("intents")
    @classmethod
    def _in_order(cls, intents: list[Intent]) -> list[Intent]:
        return [intent for intent in INTENTS if intent in intents]

    def check_models(self) -> list[tuple[str, str]]:
        """Every (name, seat) that the run will use. Raises InputError for an unknown name."""
        wanted = [(agent, "agent") for agent in self.agents] + [(self.user, "user")]
        wanted += [(self.explorer, "explorer"), (self.writer, "writer")]
        wanted += [(judge, "judge") for judge in self.judges]
        wanted += [(self.grader, "grader")] if self.grader is not None else []
        if self.verify.reference_trials:
            wanted.append((self.verify.reference, "agent"))
        for name, seat in wanted:
            parsed = parse_model(name, seat)
            if parsed.pool_is_named and parsed.pool not in self.pools:
                known = ", ".join(self.pools) or "none"
                raise InputError(f"{seat} model '{name}': there is no such pool; under 'pools' there are: {known}")
        return wanted

    def used_pools(self) -> dict[str, PoolConfig]:
        """The pools that the run's models need, by name; those of ``vllm:MODEL`` are built from ``engine``."""
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
        """Whether any seat waits for a model; scripted seats only compute."""
        names = [*self.agents, self.user, self.explorer, self.writer, *self.judges, self.verify.reference]
        return self.grader is not None or not all(map(is_built_in, names))

    def results_part(self) -> dict[str, Any]:
        """The settings that change results, flat: ``{"verify.min_mark": 7.0}``.

        Without ``source``, which counts by its content and not its path.
        """
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
