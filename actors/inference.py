"""InferenceActor: a Ray actor that hosts one vLLM server, an :class:`~t2t_dist.actors.engine.Engine`."""

from __future__ import annotations

import ray

from t2t_dist.config.engines import PoolConfig

from .engine import TAIL, Engine, EngineAddress, EngineFailed, EngineStatus, Exit
from .parent import end_with_parent

__all__ = ["Engine", "EngineAddress", "EngineFailed", "EngineStatus", "Exit", "InferenceActor"]


# "control" has its own event loop: an engine can be asked and stopped even during a start or a flood of calls.
@ray.remote(  # type: ignore[call-overload]
    max_restarts=0, max_task_retries=0, num_cpus=0, concurrency_groups={"control": 16}
)
class InferenceActor:
    """An :class:`Engine` as a Ray actor. Ray never restarts it: the fleet decides, and restarts the server in place."""

    def __init__(
        self, name: str, config: PoolConfig, key: str, log_file: str, host: str = "127.0.0.1", gpus: int = 0
    ) -> None:
        end_with_parent()
        self.engine = Engine(name, config, key, log_file, host, gpus)

    async def start(self) -> EngineAddress:
        """See :meth:`Engine.start`."""
        return await self.engine.start()

    async def watch(self) -> Exit:
        """See :meth:`Engine.watch`."""
        return await self.engine.watch()

    @ray.method(concurrency_group="control")
    async def stop(self) -> None:
        """See :meth:`Engine.stop`."""
        await self.engine.stop()

    @ray.method(concurrency_group="control")
    async def status(self) -> EngineStatus:
        """See :meth:`Engine.status`."""
        return self.engine.status()

    @ray.method(concurrency_group="control")
    async def tail(self, n: int = TAIL) -> list[str]:
        """See :meth:`Engine.tail`."""
        return self.engine.tail(n)
