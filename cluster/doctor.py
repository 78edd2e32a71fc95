"""The checks of ``t2t doctor`` that need Ray: the cluster, and the engines that a config wants hosted."""

from __future__ import annotations

import asyncio
import tempfile
import time

import ray

from t2t_dist.actors.server import find_entry, flavour
from t2t_dist.config.engines import EngineConfig, Replicas
from t2t_dist.config.model_names import ModelName, parse_model
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.models.openai import api_key_of
from t2t_dist.pipeline.preflight import CheckResult, Endpoint, endpoint, machine

from .connect import connected
from .engines.fleet import Fleet


def vllm(engine: EngineConfig, needed: bool) -> CheckResult:
    """Checks the vLLM of the interpreter that would start the engines."""
    where = engine.python or "this interpreter"
    try:
        find_entry(engine)
        name, version = flavour(engine)
    except InputError as error:
        return CheckResult(
            "vLLM", "defect" if needed else "note", f"{error}" if needed else f"not in {where}; not needed"
        )
    return CheckResult("vLLM", "ok", f"{name} {version} in {where}")


def cluster() -> list[CheckResult]:
    """Checks Ray's version, nodes and GPUs. Ray has to be running."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = sum(int(node.get("CPU", 0)) for node in nodes)
    gpus = [int(node.get("GPU", 0)) for node in nodes]
    found = [CheckResult("Ray", "ok", f"{ray.__version__}, {len(nodes)} node(s), {cpus} CPUs")]
    if sum(gpus):
        found.append(CheckResult("GPUs", "ok", f"{sum(gpus)}, the largest node has {max(gpus)}"))
    else:
        found.append(CheckResult("GPUs", "note", "none: engines run on the CPUs, which is for trying things out"))
    return found


def _greeted(config: Config) -> set[ModelName]:
    """The models that are sent the greeting as their own first message."""
    if config.models.greeting != "message":
        return set()
    return {parse_model(name, seat) for name, seat in config.check_models() if seat == "agent"}


def endpoints_of(config: Config) -> list[Endpoint]:
    """The third-party endpoints that a config names."""
    found: dict[tuple[str, str], Endpoint] = {}
    greeted, more = _greeted(config), tuple(config.models.answer.finish_reasons)
    for name, seat in config.check_models():
        parsed = parse_model(name, seat)
        if parsed.url:
            key = api_key_of(config.models.api_key_env)
            endpoint = Endpoint(parsed.url.rstrip("/"), parsed.what, key, parsed in greeted, more)
            found[(endpoint.url, endpoint.model)] = endpoint
    pools = {parsed.pool for parsed in greeted}
    for name, pool in config.used_pools().items():
        for url in pool.urls:
            key = api_key_of(pool.api_key_env)
            found[(url, pool.model)] = Endpoint(url.rstrip("/"), pool.model, key, name in pools, more)
    return list(found.values())


class Hosted:
    """One engine per hosted pool of the config, started for the checks."""

    def __init__(self, config: Config) -> None:
        one = {"urls": [], "replicas": Replicas(min=1, max=1)}
        pools = config.used_pools().items()
        self._greeted = {parsed.pool for parsed in _greeted(config)}
        self.pools = {name: pool.model_copy(update=one) for name, pool in pools if pool.hosted().max}

    def run(self) -> tuple[list[CheckResult], list[Endpoint], Fleet | None]:
        """Start them. Returns the findings, the endpoints, and the fleet, which the caller has to stop."""
        if not self.pools:
            return [], [], None
        began = time.monotonic()
        fleet = Fleet(self.pools, tempfile.mkdtemp(prefix="t2t-doctor-"))
        try:
            fleet.start()
            while not fleet.ready():
                fleet.step()
        except InputError as error:
            fleet.stop()
            return [CheckResult("engines", "defect", str(error))], [], None
        detail = f"{len(self.pools)} started in {time.monotonic() - began:.0f} s"
        found = [CheckResult("engines", "ok", detail)]
        endpoints = []
        for engine in fleet.engines.values():
            found += [CheckResult(engine.config.model, "note", note) for note in engine.notes]
            endpoints.append(Endpoint(engine.url, engine.config.model, engine.key, engine.pool in self._greeted))
        return found, endpoints, fleet


def examine(config: Config, out: str | None, *, start: bool = True) -> list[CheckResult]:
    """All checks, in order: the machine, vLLM, Ray, then each endpoint and each hosted model."""
    found = machine(out)
    pools = config.used_pools()
    hosted = [pool for pool in pools.values() if pool.hosted().max]
    engines: list[EngineConfig] = [*hosted] or [config.engine]
    found += [vllm(engine, needed=bool(hosted)) for engine in engines]
    fleet = None
    with connected(config.cluster.address):
        found += cluster()
        try:
            asked = endpoints_of(config)
            if start and all(finding.state != "defect" for finding in found):
                more, started, fleet = Hosted(config).run()
                found += more
                asked += started
            for each in asked:
                found += asyncio.run(endpoint(each))
        except InputError as error:
            found.append(CheckResult("models", "defect", str(error)))
        finally:
            if fleet is not None:
                fleet.stop()
    return found
