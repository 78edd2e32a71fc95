"""Client of a model behind OpenAI-compatible HTTP endpoints, hosted by us or by third parties.

One :class:`OpenAIChat` is shared by all the episodes of a worker. It holds connections, never a conversation: every
call sends the whole dialogue, so any call may be repeated, here or on another engine. A
:class:`~t2t_dist.models.pool.Balancer` decides which endpoint a call goes to.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson
from yarl import URL

from t2t_dist.config.engines import endpoint_url
from t2t_dist.config.settings import AnswerLimits, ModelSettings
from t2t_dist.core.errors import (
    ContextExceeded,
    EngineBadResponse,
    EngineError,
    EngineRejected,
    EngineTimeout,
    EngineUnavailable,
    InputError,
)
from t2t_dist.core.printing import keep_secret, masked

from .answers import LARGE, BadAnswer, TooLarge, body_of, is_success, open_session
from .chat import Conversation, Reply
from .completion import BrokenOff, EmptyAnswer, ErrorInside, FullContext, decoded, parse_completion, quote
from .pool import Balancer, Fixed, Target
from .refusals import blames_the_model, refusal_text, says_too_long, wants_turns
from .routing import RequestOutcome

#: Idle connections are closed after this many seconds. vLLM closes them after 5: the client must be the first, or a
#: request meets a socket that the server is just closing.
KEEP_ALIVE_S = 2.0
#: A connection not accepted within this many seconds counts as refused; it does not use up the request's deadline.
CONNECT_S = 10.0
#: The longest Retry-After that is honoured, in seconds: a longer one must not park an episode unseen.
RETRY_AFTER_CAP_S = 60.0
#: A timed-out request is sent only once more: each one costs a whole deadline.
TIMEOUTS = 2
#: The deadline of each request of :meth:`OpenAIChat.probe`, in seconds.
PROBE_S = 15.0
#: Seeds are sent modulo 2**31, which every server accepts and no JSON parser rounds.
SEED_MASK = 0x7FFF_FFFF

#: How much of a server's message is looked at for what an error quotes, in bytes.
_LOOKED_AT = 8192
#: What to do where a server refuses the greeting as the agent's first message.
TURNS_REMEDY = "it wants user and assistant in turn, beginning with user: set models.greeting=system"
#: Fields of the body that only this client sets: a stream would only be slower, and of several answers one is read.
_OWN_FIELDS = frozenset({"model", "messages", "tools", "stream", "n"})


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """The options for reaching one model. Holds the *name* of the key's environment variable, never the key."""

    model: str
    base_url: str
    """Ends in ``/v1`` for nearly all servers; ``/chat/completions`` is added. Empty for a pool."""
    api_key_env: str | None = None
    """Environment variable that holds the key, read when the client is created. None sends no key."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Fields added unchanged to each request: temperature, top_p, max_tokens, ..."""
    capture: bool = False
    """Ask for token ids and log probabilities, which vLLM supports and other servers may refuse."""
    send_seed: bool = True
    """Add the call's own ``seed`` to each request."""
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    """Bounds of an answer."""
    deadline_s: float = 600.0
    """For one request, body included, in seconds."""
    max_attempts: int = 4
    """Requests per call, the first included."""
    backoff_base_s: float = 0.5
    """The wait before the n-th retry is drawn from 0 to ``backoff_base_s * 2**(n-1)``, in seconds ..."""
    backoff_cap_s: float = 20.0
    """... but to no more than this. A Retry-After is added to it, up to RETRY_AFTER_CAP_S."""


def options_from(
    settings: ModelSettings, sampling: Mapping[str, Any], model: str, url: str = "", api_key_env: str | None = None
) -> OpenAIOptions:
    """The options that a run's settings give for one model."""
    return OpenAIOptions(
        model=model,
        base_url=url,
        api_key_env=api_key_env,
        sampling=sampling,
        capture=settings.capture == "tokens",
        limits=settings.answer,
        send_seed=settings.send_seed,
        deadline_s=settings.deadline_s,
        max_attempts=settings.max_attempts,
        backoff_base_s=settings.backoff_base_s,
    )


class _Fault(Exception):
    """A request without a usable answer, which may be sent again; if ``unlike``, with another seed."""

    def __init__(self, error: EngineError, retry_after: float = 0.0, *, unlike: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.retry_after, self.unlike = error, retry_after, unlike


class OpenAIChat:
    """A :class:`~t2t_dist.models.chat.ChatModel` that asks ``POST {base_url}/chat/completions``.

    Raises:
        InputError: an option that can't be used (URL, key variable, sampling field).
    """

    def __init__(self, options: OpenAIOptions, balancer: Balancer | None = None, name: str | None = None) -> None:
        self.options = options
        self.base_url = endpoint_url(options.base_url) if balancer is None else ""
        self.name = name or f"openai:{options.model}@{self.base_url}"
        self._key = api_key_of(options.api_key_env)
        self.balancer = balancer or Fixed(Target(self.base_url, self.base_url, self._key))
        self._urls: dict[str, URL] = {}
        sampling = _checked_sampling(options)
        # The constant start of each body. The sampling fields are kept apart because each reply records them.
        self._sampling = orjson.dumps(sampling)[1:-1].decode()
        capture = b'"return_token_ids":true,"logprobs":true,' if options.capture else b""
        self._head = b'{"model":' + orjson.dumps(options.model) + b"," + capture
        limit = sampling.get("max_completion_tokens", sampling.get("max_tokens"))
        self._max_tokens = limit if isinstance(limit, int) else None
        self._most = int(options.limits.mib * 2**20)
        self._jitter = random.Random()  # a private one, so that no seeded stream of the run is disturbed
        self._session: aiohttp.ClientSession | None = None
        self._large = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"OpenAIChat({self.options!r})"

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        """Answer; see :meth:`t2t_dist.models.chat.ChatModel.complete`.

        Takes at most ``max_attempts * deadline_s`` plus ``max_attempts - 1`` waits of at most ``RETRY_AFTER_CAP_S +
        backoff_cap_s``, plus the balancer's ``patience_s`` on a pool whose engines are away or full. The reply's
        ``t_queue`` is everything before the answered request was sent.

        Raises:
            EngineUnavailable, EngineTimeout, EngineBadResponse: the last error, once the attempts are used up.
            EngineRejected: a 4xx or a redirection; not retried.
            ContextExceeded: the endpoint says that the prompt is too long, or no model reads as much.
        """
        options, patience = self.options, self.balancer.patience_s
        if sum(map(len, conversation.parts)) > self._most:
            size = f"{options.limits.mib:g} MiB"
            raise ContextExceeded(f"{self.name}: the conversation is larger than models.answer.mib ({size})")
        key = conversation.key or f"one-off-{id(conversation):x}"
        started = time.perf_counter()
        attempts = timeouts = other_seed = waits = 0
        try:
            while True:
                target = await self.balancer.place(key)
                sampling = self._sampling_fields(seed + other_seed)
                body = self._body(conversation, tools, sampling)
                sent = time.perf_counter()
                try:
                    reply = await self._send(key, target, body, f"call_{len(conversation.parts)}")
                except _Fault as fault:
                    error, retry_after = fault.error, fault.retry_after
                    other_seed += fault.unlike
                    timeouts += isinstance(error, EngineTimeout)
                else:
                    reply.sampling = f"{{{sampling}}}"
                    reply.t_queue, reply.t_model = sent - started, time.perf_counter() - sent
                    return reply
                elapsed = time.perf_counter() - started
                # That a pool's engine is away or full says nothing about the call: it comes back, or others do.
                if isinstance(error, EngineUnavailable) and elapsed < patience:
                    waits += 1
                else:
                    attempts += 1
                if attempts >= options.max_attempts or timeouts >= TIMEOUTS:
                    # A new exception: aiohttp's holds the request, and the request holds the key.
                    raise type(error)(f"{error} (seat {seat}, {attempts + waits} attempts, {elapsed:.1f} s)")
                cap = min(options.backoff_cap_s, options.backoff_base_s * 2 ** (attempts + min(waits, 4) - 1))
                await asyncio.sleep(retry_after + self._jitter.uniform(0.0, cap))
        finally:
            if not conversation.key:
                self.balancer.forget(key)

    async def _send(self, key: str, target: Target, body: bytes, id_prefix: str) -> Reply:
        """One request.

        Raises:
            _Fault: no usable answer, may be retried.
            ContextExceeded, EngineRejected: no retry can help.
        """
        url = self._urls.get(target.url)
        if url is None:
            url = self._urls[target.url] = URL(target.url + "/chat/completions")
        headers = {"Authorization": f"Bearer {target.key}"} if target.key else None
        outcome, unreachable = RequestOutcome.OK, False
        where = self.name if target.url == self.base_url else f"{self.name} ({target.engine})"
        data = b""
        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                data = await body_of(response, self._most)
            if is_success(response.status):
                reply = await self._parsed(data, id_prefix)
                reply.engine = target.engine
                reply.model = reply.model or self.options.model
                return reply
            outcome = _outcome_of(response.status)
            raise _Fault(
                self._refusal(response.status, data, where, target.key),
                _retry_after(response.headers.get("Retry-After")),
                unlike=blames_the_model(data),
            )
        except ErrorInside as error:
            outcome = RequestOutcome.FAILED if error.partial else _outcome_of(error.status)
            problem = self._error_inside(error, where, target.key)
            retry_after = _retry_after(response.headers.get("Retry-After"))
            raise _Fault(problem, retry_after, unlike=blames_the_model(error.said)) from None
        except FullContext as error:
            raise ContextExceeded(f"{where}: {error}") from None
        except BrokenOff as error:
            outcome = RequestOutcome.FAILED  # another engine may well answer
            raise _Fault(EngineBadResponse(f"{where}: {error}: {self._quoted(data, target.key)}")) from None
        except EmptyAnswer as error:
            problem = EngineBadResponse(f"{where}: {error}: {self._quoted(data, target.key)}")
            raise _Fault(problem, unlike=True) from None
        except TooLarge as error:
            problem = EngineBadResponse(f"{where}: {error}; models.answer sets the bounds")
            raise _Fault(problem, unlike=True) from None
        except BadAnswer as error:
            raise _Fault(EngineBadResponse(f"{where}: {error}: {self._quoted(data, target.key)}")) from None
        except aiohttp.ConnectionTimeoutError:
            outcome, unreachable = RequestOutcome.FAILED, True
            raise _Fault(EngineUnavailable(f"{where} did not accept a connection within {CONNECT_S:g} s")) from None
        except TimeoutError:
            outcome = RequestOutcome.FAILED
            deadline = f"{self.options.deadline_s:g} s"
            raise _Fault(EngineTimeout(f"{where} gave no whole answer within {deadline}")) from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            outcome, unreachable = RequestOutcome.FAILED, True
            detail = self._quoted(error, target.key)
            raise _Fault(EngineBadResponse(f"{where} sent half a body or broken HTTP: {detail}")) from None
        except (aiohttp.ClientError, OSError) as error:
            outcome, unreachable = RequestOutcome.FAILED, True
            raise _Fault(EngineUnavailable(f"{where} can't be reached: {self._quoted(error, target.key)}")) from None
        finally:
            self.balancer.done(key, target, outcome, unreachable=unreachable)

    async def _parsed(self, data: bytes, id_prefix: str) -> Reply:
        """See :func:`parse_completion`. Of large answers one is parsed in each turn of the event loop."""
        options = self.options
        if len(data) < LARGE:
            return parse_completion(data, id_prefix, options.limits, capture=options.capture)
        async with self._large:
            await asyncio.sleep(0)
            return parse_completion(data, id_prefix, options.limits, capture=options.capture)

    async def probe(self) -> None:
        """Check the endpoint before a run depends on it, by asking for its models.

        Raises:
            InputError: unreachable, key refused, model not listed, or no such API under this URL. One line.
        """
        status, data = await self._ask("GET", "/models")
        if status in (401, 403):
            raise InputError(self._key_refused(status, data, self.name, self._key))
        if status in (404, 405, 501):
            # Not every server lists its models. If there are no chat completions either, the URL is wrong: an empty
            # request shows which, and costs no tokens.
            if (await self._ask("POST", "/chat/completions"))[0] == 404:
                raise InputError(
                    f"no OpenAI-compatible API at {self.base_url}: neither /models nor /chat/completions is there;"
                    f" give the URL with its version, for example http://HOST:PORT/v1"
                )
            return
        if not is_success(status):
            raise InputError(
                f"{self.base_url}/models answers {status}: {self._quoted(refusal_text(data))};"
                f" fix the endpoint or give another URL"
            )
        listed = listed_models(data)
        if listed and self.options.model not in listed:
            shown = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
            raise InputError(f"{self.base_url} does not serve model {self.options.model!r}; it lists: {shown}")

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()

    # -- one request ------------------------------------------------------------------------------------------------

    def _open(self) -> aiohttp.ClientSession:
        """The session of the running loop, created when first needed."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            self._loop, self._large = loop, asyncio.Lock()
            self._session = open_session(
                # limit 0: admission limiters decide how many calls run at once, not the connection pool.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=self.options.deadline_s, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
            )
        return self._session

    def _sampling_fields(self, seed: int) -> str:
        if not self.options.send_seed:
            return self._sampling
        own = f'"seed":{seed & SEED_MASK}'
        return f"{self._sampling},{own}" if self._sampling else own

    def _body(self, conversation: Conversation, tools: bytes | None, sampling: str) -> bytes:
        """The body, joined from bytes: messages and tools are already encoded."""
        fields = sampling.encode() + b"," if sampling else b""
        tail = (b'],"tools":', tools, b"}") if tools is not None else (b"]}",)
        return b"".join((self._head, fields, b'"messages":[', b",".join(conversation.parts), *tail))

    def _refusal(self, status: int, data: bytes | dict[str, Any], where: str, key: str) -> EngineError:
        """The error of an answer that is not 2xx, or means another status, where a retry may help.

        Raises:
            ContextExceeded, EngineRejected: no retry can help.
        """
        text = refusal_text(data)
        detail = self._quoted(text, key)
        if blames_the_model(data):
            return EngineBadResponse(f"{where}: {detail}")
        if says_too_long(status, data, self._max_tokens):
            raise ContextExceeded(f"{where}: {detail}")
        if status in (401, 403):
            raise EngineRejected(self._key_refused(status, data, where, key))
        # llama.cpp answers 500 where its chat template refuses: it would refuse again.
        if status in (400, 422, 500) and wants_turns(text):
            raise EngineRejected(f"{where} refuses the request with {status}: {detail}; {TURNS_REMEDY}")
        if status >= 500 or status in (408, 429):
            return EngineUnavailable(f"{where} answers {status}: {detail}")
        raise EngineRejected(f"{where} refuses the request with {status}: {detail}")

    def _error_inside(self, error: ErrorInside, where: str, key: str) -> EngineError:
        """The error of a 2xx that holds one: that of the status it means.

        Raises:
            ContextExceeded, EngineRejected: no retry can help.
        """
        status = error.status
        # A status that only the words suggest ("upstream error: prompt is too long") must not hide the rest of them.
        if says_too_long(error.code, error.said, self._max_tokens):
            raise ContextExceeded(f"{where}: {self._quoted(error, key)}")
        # Where an answer had begun, nothing was wrong with the request.
        if status is None or (error.partial and status < 500 and status not in (401, 403, 408, 429)):
            return EngineBadResponse(f"{where}: {self._quoted(error, key)}")
        return self._refusal(status, error.said, where, key)

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body of one small request of :meth:`probe`."""
        url = URL(self.base_url + path)
        timeout = aiohttp.ClientTimeout(total=min(PROBE_S, self.options.deadline_s))
        body = b"{}" if method == "POST" else None
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else None
        ask = self._open().request
        try:
            async with ask(method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
                return response.status, await body_of(response)
        except (aiohttp.ClientError, OSError) as error:
            reason = f"no answer within {timeout.total:g} s" if isinstance(error, TimeoutError) else self._quoted(error)
        except TooLarge as error:
            reason = f"{path}: {error}"
        raise InputError(
            f"endpoint {self.base_url} can't be reached: {reason}; start the server or fix the URL of"
            f" model {self.options.model!r}"
        )

    # -- messages ---------------------------------------------------------------------------------------------------

    def _quoted(self, words: str | bytes | BaseException, key: str = "") -> str:
        """A message of the server or a library as one short line, without keys: servers quote what they were sent."""
        if isinstance(words, bytes):
            words = words[:_LOOKED_AT].decode("utf-8", "replace")
        text = str(words) or (type(words).__name__ if isinstance(words, BaseException) else "(nothing)")
        for secret in (self._key, key):
            text = text.replace(secret, "***") if secret else text
        return masked(quote(text))

    def _key_refused(self, status: int, data: bytes | dict[str, Any], where: str, key: str) -> str:
        variable = self.options.api_key_env
        todo = f"check the key in {variable}" if variable else "name the variable with the key in api_key_env"
        return f"{where} refuses access with {status}: {self._quoted(refusal_text(data), key)}; {todo}"


def _outcome_of(status: int | None) -> RequestOutcome:
    """What a status other than 2xx says of the engine."""
    if status in (429, 503):
        return RequestOutcome.REFUSED
    # Another engine may well answer.
    return RequestOutcome.FAILED if status is not None and status >= 500 else RequestOutcome.OK


def _checked_sampling(options: OpenAIOptions) -> dict[str, Any]:
    own = _OWN_FIELDS | {"seed"} if options.send_seed else _OWN_FIELDS
    for name in options.sampling:
        if name in own:
            raise InputError(f"sampling field {name!r} of model {options.model!r} is set by the client; remove it")
    try:
        orjson.dumps(dict(options.sampling))
    except TypeError as error:
        raise InputError(f"sampling of model {options.model!r} is not JSON: {error}") from None
    if options.max_attempts < 1 or options.deadline_s <= 0:
        raise InputError(f"model {options.model!r} needs max_attempts >= 1 and deadline_s > 0")
    return dict(options.sampling)


def api_key_of(variable: str | None) -> str:
    """The key in an environment variable; empty for ``None``. Raises InputError: it is not set, or holds no key."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(f"environment variable {variable} is not set; put the endpoint's API key there")
    if not key.isprintable() or not key.isascii():
        raise InputError(f"environment variable {variable} holds characters that no API key has; set it again")
    return keep_secret(key)


def listed_models(data: bytes) -> list[str]:
    """Ids in the body of ``/models``; empty if it has another shape."""
    try:
        return [entry["id"] for entry in decoded(data)["data"] if isinstance(entry["id"], str)]
    except (BadAnswer, KeyError, TypeError):
        return []


def _retry_after(value: str | None) -> float:
    """Seconds to wait from a Retry-After header (seconds or HTTP-date), 0 to RETRY_AFTER_CAP_S; 0 without one."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, ArithmeticError, LookupError, TypeError, OSError):  # as its parts raise them
            return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_CAP_S) if seconds == seconds else 0.0
