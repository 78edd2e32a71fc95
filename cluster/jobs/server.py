"""Client of a cluster's job server: runs as Ray jobs, to submit, follow and stop. :mod:`.verdict` judges their result.

The job's driver is an ordinary ``t2t``; Ray sets ``RAY_ADDRESS`` for it, so it uses the cluster it runs on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import keep_secret
from t2t_dist.environments.files import read_text

from .verdict import Ended
from .watch import OUT_OF_REACH, LogLines, Watch

#: Seconds for one request. Ray's client would wait forever on a silently dropped connection.
REQUEST_S = 30.0
#: Seconds for an upload.
_UPLOAD_S = 600.0
#: Seconds without a log line, after which the stream may be dead and is reopened; doubled while the job is quiet.
_QUIET_S = 60.0
_QUIET_MOST_S = 900.0
_TRIES = 5
METADATA = "t2t"


class NoAnswer(Exception):
    """Raised when the cluster does not answer, or with something else; a retry may help."""


class UnknownJob(Exception):
    """Raised when the cluster has no such job."""


@dataclass(frozen=True)
class Job:
    """A job to submit. ``arguments`` are those of ``t2t``; ``about`` is stored with the job for a later attach.

    ``drain_s``: seconds between SIGTERM and SIGKILL, in which a run flushes and commits.
    """

    arguments: Sequence[str]
    about: Mapping[str, Any]
    package: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pip: Sequence[str] = ()
    python: str = "python"
    drain_s: int = 120
    job_id: str | None = None

    @property
    def entrypoint(self) -> str:
        """The shell command. With ``exec``, signals reach t2t and exit codes come from it, not from a shell."""
        return "exec " + shlex.join([self.python, "-m", "t2t_dist.cli", *self.arguments])

    def runtime_env(self) -> dict[str, Any]:
        # Without this variable, Ray kills a job 3 s after SIGTERM.
        made: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(self.drain_s), **self.env}}
        if self.package is not None:
            made["working_dir"] = str(self.package)
        if self.pip:
            made["pip"] = list(self.pip)
        return made


class JobServer:
    """Client of one cluster's job server.

    Raises:
        InputError: a bad address, no answer, a missing or refused token, or Ray's job client is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = checked_address(address)
        self._client = self._ask(lambda: _client(self.address))

    def submit(self, job: Job) -> str:
        """Submit a job; returns its id. Retries after a broken connection do not submit it twice.

        Raises InputError, also if the id is taken.
        """
        job_id = job.job_id or f"t2t-{secrets.token_hex(6)}"
        if job.job_id is not None and self._known_already(job_id):
            raise InputError(f"there is a job {job_id} already; follow it with --attach {job_id}, or name another id")

        def send() -> None:
            import requests

            self._client.timeout_s = _UPLOAD_S
            try:
                self._client.submit_job(
                    entrypoint=job.entrypoint,
                    runtime_env=job.runtime_env(),
                    submission_id=job_id,
                    metadata={METADATA: orjson.dumps(dict(job.about)).decode()},
                )
            except ValueError as error:
                if isinstance(error, requests.RequestException):
                    raise
                raise InputError(f"Ray refuses the job's environment: {one_line(error)}") from None
            finally:
                self._client.timeout_s = REQUEST_S

        for tried in range(_TRIES):
            try:
                self._ask(send)
                return job_id
            except NoAnswer as error:
                try:
                    if self._knows(job_id):  # it arrived, only the answer was lost
                        return job_id
                except NoAnswer:
                    pass
                if tried + 1 == _TRIES:
                    raise InputError(f"{self.address} did not take the job: {error}") from None
                time.sleep(2.0**tried)
        raise AssertionError  # the loop returns or raises

    def stop(self, job_id: str) -> None:
        """Stop a job: it gets SIGTERM, and drains. Raises NoAnswer, UnknownJob."""
        self._ask(lambda: self._client.stop_job(job_id))

    def details(self, job_id: str) -> Any:
        """Ray's ``JobDetails``. Raises NoAnswer, UnknownJob."""
        return self._ask(lambda: self._client.get_job_info(job_id))

    def about(self, job_id: str) -> dict[str, Any]:
        """The ``about`` that a job was submitted with; empty if it was not submitted by ``t2t submit``.

        Raises InputError: no such job, or no answer."""
        for tried in range(_TRIES):
            try:
                stored = (self.details(job_id).metadata or {}).get(METADATA)
                return dict(orjson.loads(stored)) if stored else {}
            except UnknownJob:
                raise InputError(f"{self.address} knows no job {job_id}; `ray job list` shows those it knows") from None
            except NoAnswer:
                time.sleep(2.0**tried)
            except orjson.JSONDecodeError:
                return {}
        raise InputError(_unreachable(self.address))

    def whole_log(self, job_id: str) -> str:
        """The log so far. Raises NoAnswer, UnknownJob."""
        return str(self._ask(lambda: self._client.get_job_logs(job_id)))

    def log_stream(self, job_id: str) -> Any:
        """An async iterator over pieces of the log, from its first character."""
        return self._client.tail_job_logs(job_id)

    def _known_already(self, job_id: str) -> bool:
        try:
            return self._knows(job_id)
        except NoAnswer as error:
            raise InputError(_unreachable(self.address, str(error))) from None

    def _knows(self, job_id: str) -> bool:
        try:
            self.details(job_id)
        except UnknownJob:
            return False
        return True

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Call Ray's client, and map its exceptions to ours."""
        import ray.exceptions
        import requests

        try:
            return call()
        except ray.exceptions.AuthenticationError as error:
            raise InputError(_refused(self.address, str(error))) from None
        except (ConnectionError, requests.RequestException) as error:
            raise NoAnswer(one_line(error)) from None
        except RuntimeError as error:
            text = one_line(error)
            if "status code 404" in text and "does not exist" in text:
                raise UnknownJob(text) from None
            if "status code 413" in text or "exceeds the maximum size" in text:
                raise InputError(
                    "the cluster refuses the package as too large; exclude what the run does not need (--exclude)"
                ) from None
            if "status code 400" in text:
                raise InputError(f"the cluster refuses the job: {_last_line(str(error))}") from None
            raise NoAnswer(text) from None
        except (ValueError, TypeError) as error:  # not an answer of Ray's job server, but of something in between
            raise NoAnswer(one_line(error)) from None


def open_server(address: str, patience_s: float = 20.0) -> JobServer:
    """A :class:`JobServer`, with retries: a head may just be starting. Raises InputError."""
    end, wait = time.monotonic() + patience_s, 1.0
    while True:
        try:
            return JobServer(address)
        except NoAnswer as error:
            if time.monotonic() + wait > end:
                raise InputError(_unreachable(address, str(error))) from None
            time.sleep(wait)
            wait *= 2


async def follow(
    server: JobServer,
    job_id: str,
    show: Callable[[str], None],
    watch: Watch,
    lines: LogLines,
    notice: Callable[[str], None],
    wake: asyncio.Event | None = None,
) -> Ended:
    """Show a job's log until the job is over, or ``watch`` gives up; every line once, even if connections break.

    Set ``wake`` after a change of ``watch`` from outside.
    """
    wake = wake or asyncio.Event()
    streaming = asyncio.create_task(_stream(server, job_id, show, lines))
    details: Any = None
    try:
        while watch.ended is None:
            try:
                details = await asyncio.to_thread(server.details, job_id)
                if watch.misses:
                    notice(f"{server.address} answers again")
                watch.heard(str(details.status), time.monotonic())
            except (NoAnswer, InputError):  # a token that is refused now was good before: the job goes on
                watch.missed(time.monotonic())
                if watch.misses == 2:
                    notice(f"{server.address} does not answer; asking on for up to {watch.patience_s:.0f} s")
            except UnknownJob:
                watch.unknown(time.monotonic())
            if watch.ended is None:
                try:
                    async with asyncio.timeout(watch.wait_s()):
                        await wake.wait()
                except TimeoutError:
                    pass
    finally:
        streaming.cancel()
        await asyncio.gather(streaming, return_exceptions=True)
    if watch.ended in ("SUCCEEDED", "FAILED", "STOPPED"):
        await _rest(server, job_id, show, lines, notice)
    return _ended(watch.ended or OUT_OF_REACH, details)


async def _stream(server: JobServer, job_id: str, show: Callable[[str], None], lines: LogLines) -> None:
    """Follow the log forever. Ray's streams can't be resumed: each starts over, and lines already seen are skipped."""
    quiet, failures = _QUIET_S, 0
    while True:
        lines.rewind()
        before, stream = lines.seen, server.log_stream(job_id)
        try:
            while True:
                async with asyncio.timeout(quiet):
                    piece = await anext(stream)
                for line in lines.feed(piece):
                    show(line)
                failures = 0
        except TimeoutError:
            # Each new stream repeats the whole log, so a job that is merely quiet gets few of them.
            quiet = _QUIET_S if lines.seen > before else min(2 * quiet, _QUIET_MOST_S)
        except Exception:
            # Cut, refused, ended early: in any case the job's state is polled elsewhere. Here, only the next try
            # matters.
            failures += 1
            await asyncio.sleep(min(30.0, 2.0 ** min(failures, 6) / 2))
        finally:
            await stream.aclose()


async def _rest(
    server: JobServer, job_id: str, show: Callable[[str], None], lines: LogLines, notice: Callable[[str], None]
) -> None:
    """Show the part of the log that the stream had not sent when the job was over."""
    for tried in range(_TRIES):
        try:
            whole = await asyncio.to_thread(server.whole_log, job_id)
            break
        except (NoAnswer, UnknownJob, InputError) as error:
            if tried + 1 == _TRIES:
                notice(f"the end of the log can't be read: {error}")
                return
            await asyncio.sleep(2.0**tried / 2)
    lines.rewind()
    for line in [*lines.feed(whole), *lines.close()]:
        show(line)


def _ended(how: str, details: Any) -> Ended:
    if details is None:
        return Ended(how)
    return Ended(
        how,
        exit_code=details.driver_exit_code,
        message=details.message or "",
        error_type=str(details.error_type or ""),
        started=details.driver_node_id is not None,
        began=(details.start_time or 0) / 1000,
    )


def checked_address(address: str) -> str:
    """The job server's URL. Raises InputError: a bad address."""
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or address == "auto":
        raise InputError(
            f"--address {address}: give the URL of the head's dashboard, such as http://head:8265"
            " (ray:// and GCS addresses have no job server)"
        )
    return url.rstrip("/")


def carries_token_in_the_clear(url: str) -> bool:
    """Whether a token would be sent over a network unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and not local


def token_headers() -> dict[str, str]:
    """The headers for a job server that asks for a token.

    Ray's client sends a token only with ``RAY_AUTH_MODE=token``; here a token that is set is always sent.
    Raises InputError: the token's file can't be read.
    """
    if (os.environ.get("RAY_AUTH_MODE") or "token").lower() != "token":
        return {}
    token, file = os.environ.get("RAY_AUTH_TOKEN"), os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not token and file:
        try:
            token = read_text(file).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"RAY_AUTH_TOKEN_PATH {file}: {getattr(error, 'strerror', None) or error}; name a file with the token"
            ) from None
    return {"Authorization": f"Bearer {keep_secret(token)}"} if token else {}


def _client(address: str) -> Any:
    try:
        import aiohttp  # noqa: F401
        import requests  # noqa: F401
        from ray.job_submission import JobSubmissionClient
    except ImportError:
        raise InputError("Ray's job client is not installed here: pip install 't2t-dist[cluster]'") from None

    class Client(JobSubmissionClient):  # type: ignore[misc, unused-ignore]
        """Ray's client, with a timeout per request: by itself it has none."""

        timeout_s = REQUEST_S

        def _do_request(self, *args: Any, **options: Any) -> Any:
            return super()._do_request(*args, **{"timeout": self.timeout_s, **options})

    for name in ("dashboard_sdk", "job.sdk"):  # they log every upload and every stream
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.ERROR)
    # Ray would prefer these to the given address.
    hidden = {name: os.environ.pop(name, None) for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")}
    try:
        return Client(address, headers=token_headers())
    finally:
        os.environ.update({name: value for name, value in hidden.items() if value is not None})


def _unreachable(address: str, why: str = "") -> str:
    detail = f" ({why[:120]})" if why else ""
    return (
        f"no Ray job server answers at {address}{detail}. Is the head up, is its dashboard bound to an address that can"
        " be reached from here (ray start --head --dashboard-host ...; port 8265), and is ray[default] installed there?"
    )


def _refused(address: str, said: str) -> str:
    if said.startswith("Authentication required"):
        return f"{address} asks for a token: set RAY_AUTH_TOKEN to the head's (there: ray get-auth-token)"
    return f"{address} refuses the token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH; the head has another one"


def one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())[:300]


def _last_line(text: str) -> str:
    return one_line([line for line in text.strip().splitlines() if line.strip()][-1])
