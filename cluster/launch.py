"""Launch of a run, new or resumed: opens its directory under the lock and drives what is not in its ledger yet."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import code_version
from t2t_dist.pipeline.budget import spent
from t2t_dist.pipeline.workloads import open_workload
from t2t_dist.storage.have_results import OF_ROWS, last_stage, without_result
from t2t_dist.storage.ledger import Ledger
from t2t_dist.storage.manifest import NAME as MANIFEST
from t2t_dist.storage.manifest import Manifest, check_present, claim
from t2t_dist.storage.objects.opening import create_storage, open_storage
from t2t_dist.storage.run_lock import RunLock
from t2t_dist.storage.status import commits_known, corrected, cut_short

from .connect import check_reachable
from .driver import Driver, Notify, Progress, Result, Stopped

__all__ = ["Progress", "Result", "Stopped", "run"]


def run(kind: str, config: Config, out: str, notify: Notify | None = None) -> Result:
    """Run in a directory, or resume the run that is there. Where nothing has a result, what failed is tried again.

    Raises:
        InputError: bad input, another run's directory, a busy one, a damaged ledger, an unreachable endpoint.
        Stopped: SIGTERM or SIGINT; finished items are committed.
    """
    started = time.monotonic()
    work = open_workload(kind, config, 1)
    _probe(work, config)
    if _is_new(out):
        check_reachable(config.cluster.address)  # a refused command leaves nothing behind
    storage = create_storage(out, parents=True)
    manifest = Manifest(
        run_id=work.run_id,
        kind=kind,
        code=code_version(),
        source=work.origin,
        parts=work.parts,
        results=config.results_part(),
        config=config,
    )
    warn = logging.getLogger("t2t").warning
    with RunLock(storage, notify=warn) as lock:
        ledger = Ledger(storage)
        if ledger.state.items:
            check_present(storage)
        resumed = claim(storage, manifest, empty=not ledger.state.items)
        # After a loss the driver runs even with nothing to do: its commit and its status agree again.
        if loss := cut_short(storage, commits_known(storage), ledger.state.last):
            warn(loss)
        _try_again(kind, config, ledger)
        ended = spent(config.budget, ledger.state.counters, 0.0)
        if not loss and (ended or len(ledger.state.items) == work.size()):
            # Its driver may have been killed, or have failed to print, after the last commit.
            corrected(storage, work.run_id, "finished", ended, ledger.state.last)
            return Result(work.run_id, ledger.state, time.monotonic() - started, resumed, ended=ended)
        return Driver(kind, config, work, storage, ledger, lock, notify, started, resumed).run()


def _is_new(out: str) -> bool:
    try:
        return open_storage(out).size(MANIFEST) is None
    except InputError:
        return True


def _try_again(kind: str, config: Config, ledger: Ledger) -> None:
    """Take back the failures of a run that has no result, or that stopped since all of it failed: what they failed by
    may have been put right. Those among results stay."""
    state = ledger.state
    if state.failed and without_result(last_stage(kind, config.until), state.counters, state.stopped):
        items = ledger.take_back(lambda name: name.startswith(OF_ROWS))
        logging.getLogger("t2t").warning("%d items that failed are tried again", items)


def _probe(work: Any, config: Config) -> None:
    """Ask every endpoint for its list of models before anything is started."""

    async def ask() -> None:
        try:
            await work.models.probe(config.check_models())
        finally:
            await work.models.close()

    asyncio.run(ask())
