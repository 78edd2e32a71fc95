"""Connection to Ray: a local instance started for this run, or a cluster by its address."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
import ray.exceptions
from ray.job_config import JobConfig

from t2t_dist.core.errors import InputError

#: Bytes of the object store. Only item numbers and counters cross Ray, so a small one leaves a laptop its memory.
_OBJECT_STORE_BYTES = 100 << 20
#: Seconds to check whether anything listens at an address; Ray itself takes minutes to give up.
_KNOCK_S = 5.0
#: Most bytes in the path of a socket, on Linux and elsewhere.
_SOCKET_BYTES, _SOCKET_BYTES_ELSEWHERE = 107, 103
#: Errors of a folder that can't be written.
_NO_FOLDER = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.ENOENT}
#: Attempts to start a local Ray.
_STARTS = 3


def address_of(wanted: str | None) -> str | None:
    """The cluster's address, or ``None`` for a local Ray.

    Without a setting, ``RAY_ADDRESS`` decides; Ray sets it in its jobs, so that a job uses its own cluster.

    Raises:
        InputError: the address is not one that a driver can join.
    """
    address = wanted or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith(("http://", "https://")):
        raise InputError(
            f"cluster.address {address} is a job server: give it to `t2t submit --address`,"
            " or set the cluster's own address here, HOST:PORT or auto"
        )
    if address.startswith("ray://"):
        raise InputError(
            f"cluster.address {address}: a driver has to run on a node of the cluster; from elsewhere use"
            " `t2t submit --address http://HOST:8265`"
        )
    return None if address == "local" else address


def check_reachable(wanted: str | None) -> None:
    """Raises InputError: what no connection can come of, as far as that shows without Ray."""
    address = address_of(wanted)
    if ray.is_initialized():
        return
    _check_folder() if address is None else _knock(address)


@contextmanager
def connected(wanted: str | None, workers: int = 1) -> Iterator[bool]:
    """Context manager: connected to Ray. Yields whether it is local.

    An existing connection of this process is used as it is. ``workers``: how many a local Ray must have CPUs for.

    Raises:
        InputError: no such cluster, it refuses us, or no local Ray can be started.
    """
    address = address_of(wanted)
    if ray.is_initialized():
        yield address is None
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray asks for a token by default, and warns about it at every start.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    # Ray would put the working directory before all else in its workers, where a file may be named like a module of
    # Python; they search it last (t2t_dist.environments.search_path).
    quiet["job_config"] = JobConfig(_client_job=True)
    try:
        if address is None:
            # By default Ray runs its workers, and so our engines, at a low priority.
            os.environ.setdefault("RAY_worker_niceness", "0")
            start_local(num_cpus=max(workers, os.cpu_count() or 1), **quiet)
        else:
            _join(address, quiet)
        yield address is None
    finally:
        ray.shutdown()


def start_local(**settings: Any) -> None:
    """Start a local Ray, with retries: its own processes have half a minute to start, too little on a busy machine.

    Raises:
        InputError: every attempt failed, or none can succeed.
    """
    _check_folder()
    _have_token()
    ours = psutil.Process()
    for left in reversed(range(_STARTS)):
        before = {process.pid for process in ours.children(recursive=True)}
        try:
            ray.init(address="local", object_store_memory=_OBJECT_STORE_BYTES, include_dashboard=False, **settings)
            return
        except BaseException as error:  # Ray raises a bare Exception if its node does not start
            ray.shutdown()
            halves = [process for process in ours.children(recursive=True) if process.pid not in before]
            for process in halves:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(halves, timeout=5)
            if not isinstance(error, Exception):
                raise  # an interrupt
            if not left:
                advice = "try when it is less busy, or name a cluster with --set cluster.address=HOST:PORT"
                if isinstance(error, OSError) and error.errno in _NO_FOLDER:
                    advice = f"its files are in {_folder()}: set TMPDIR to a folder that can be written"
                raise InputError(
                    f"Ray did not start on this machine in {_STARTS} attempts ({_first_line(error)}); {advice}"
                ) from None


def _have_token() -> None:
    """Ray keeps its token in the home directory; where none can be written, it gets one for as long as it lives."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    try:
        token = Path.home() / ".ray" / "auth_token"
        token.parent.mkdir(exist_ok=True)
        usable = os.access(token if token.exists() else token.parent, os.R_OK if token.exists() else os.W_OK)
    except (OSError, RuntimeError):
        usable = False
    if not usable:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _folder() -> str:
    """Where a local Ray keeps its files, its sockets too."""
    named = os.environ.get("RAY_TMPDIR") or (sys.platform == "linux" and os.environ.get("TMPDIR")) or "/tmp"
    return os.path.join(named, "ray")


def _check_folder() -> None:
    """Raises InputError: Ray's folder has too long a name for its sockets."""
    longest = os.path.join(_folder(), f"session_2026-01-01_00-00-00_000000_{os.getpid()}", "sockets", "plasma_store")
    over = len(os.fsencode(longest)) - (_SOCKET_BYTES if sys.platform == "linux" else _SOCKET_BYTES_ELSEWHERE)
    if over > 0:
        named = os.path.dirname(_folder())
        raise InputError(
            f"Ray can't start with its files in {named}: the paths of its sockets would be {over} bytes longer than the"
            f" system allows; set TMPDIR (or RAY_TMPDIR) to a folder of at most {len(os.fsencode(named)) - over} bytes,"
            " such as /tmp"
        )


def _knock(address: str) -> None:
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), _KNOCK_S).close()
        except OSError as error:
            raise InputError(
                f"no Ray answers at cluster.address {address} ({error}); is the head up, and is this its GCS port?"
            ) from None


def _join(address: str, quiet: dict[str, Any]) -> None:
    _knock(address)
    try:
        ray.init(address=address, **quiet)
    except ray.exceptions.AuthenticationError as error:
        raise InputError(
            f"the Ray at {address} refused our token; set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to the cluster's"
            f" ({_first_line(error)})"
        ) from None
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        raise InputError(
            f"can't join the Ray at {address}: {_first_line(error)}; a driver has to run on a node of the cluster"
            " (`ray start --address=...`); from elsewhere use t2t submit"
        ) from None


def _first_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(". ")
