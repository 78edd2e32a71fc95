"""Engines and pools as settings, and what a worker knows of them while it runs.

A *pool* answers for one model: engines that we host (``vllm:MODEL``), endpoints that somebody else does, or both. Only
``actors/inference.py`` knows what an engine is made of; everything above sees addresses.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from yarl import URL

from t2t_dist.core.errors import InputError

#: Marks a field that says how a run is carried out, not what comes out: it may differ when a run is gone on with.
HOW: dict[str, Any] = {"results": False}


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class EngineConfig(Section):
    """How engines hosted by us are started. What decides the text they give counts as part of a run's identity."""

    tensor_parallel: int = Field(1, ge=1, description="GPUs that share each layer", json_schema_extra=HOW)
    pipeline_parallel: int = Field(1, ge=1, description="GPUs that share the layers", json_schema_extra=HOW)
    device: str = Field(
        "auto",
        pattern="^(auto|gpu|cpu)$",
        description="auto takes GPUs where the cluster has any",
        json_schema_extra=HOW,
    )
    tool_parser: str = Field("auto", description="the server's tool-call parser; auto goes by the model's family")
    reasoning_parser: str = Field("auto", description="the server's reasoning parser; auto, none, or its name")
    chat_template: str | None = Field(None, description="file with a chat template, in place of the model's own")
    strict_tools: bool = Field(
        True, description="let a grammar bind required, named and strict tools; it changes what is sampled"
    )
    args: dict[str, Any] = Field({}, description="further flags of the server: {max-model-len: 8192, dtype: bfloat16}")
    env: dict[str, str] = Field({}, description="environment variables of the server", json_schema_extra=HOW)
    python: str | None = Field(
        None, description="interpreter that has vLLM, where it is not this one", json_schema_extra=HOW
    )
    port: int | None = Field(
        None, ge=1, le=65535, description="a fixed port; default: a free one", json_schema_extra=HOW
    )
    start_deadline_s: float = Field(
        1800.0, gt=0, description="seconds until an engine must answer; large models load long", json_schema_extra=HOW
    )
    most: int = Field(
        1024, ge=1, description="requests at once that an engine is never given more than", json_schema_extra=HOW
    )
    max_restarts: int = Field(
        5, ge=0, description="restarts in a row before an engine is given up", json_schema_extra=HOW
    )


class Replicas(Section):
    """How many there are of something, ``{min: 1, max: 4}`` or a number."""

    min: int = Field(1, ge=0, description="a run starts once so many are ready")
    max: int = Field(1, ge=0, description="more are started as far as the cluster has room")

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: Any) -> Any:
        """``replicas: 2`` is two, no more and no less."""
        return {"min": given, "max": given} if isinstance(given, int) else given

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is below min ({self.min})")
        return self


class PoolConfig(EngineConfig):
    """One model, and who answers for it. Named in a seat as ``pool:NAME``."""

    model: str = Field(description="path or name of the model; the name the endpoints know it by")
    replicas: Replicas | None = Field(
        None,
        description="engines hosted by us, {min: 1, max: 4} or a number; default: one, or none where urls are given",
        json_schema_extra=HOW,
    )
    urls: list[str] = Field([], description="endpoints hosted by others, each ending in /v1", json_schema_extra=HOW)
    api_key_env: str | None = Field(
        None, description="environment variable with the key of these endpoints", json_schema_extra=HOW
    )

    @field_validator("urls")
    @classmethod
    def _checked(cls, urls: list[str]) -> list[str]:
        try:
            return [endpoint_url(url) for url in urls]
        except InputError as error:
            raise ValueError(str(error)) from None

    def hosted(self) -> Replicas:
        """How many engines are ours to start."""
        return self.replicas or (Replicas(min=0, max=0) if self.urls else Replicas())


def endpoint_url(text: str) -> str:
    """An endpoint's base URL as it is used: without a slash, or ``/chat/completions``, at its end.

    Raises:
        InputError: no such URL, or one with a password in it.
    """
    base = text.strip().rstrip("/")
    try:
        url = URL(base)
        usable = url.scheme in ("http", "https") and bool(url.host) and not (url.query_string or url.fragment)
        has_password = url.user is not None or url.password is not None
    except ValueError:
        usable = has_password = False
    if has_password:
        raise InputError("an endpoint URL holds a user or password; give the key in an environment variable instead")
    if not usable:
        raise InputError(f"endpoint URL {text!r} can't be used; give one like http://HOST:PORT/v1")
    return base.removesuffix("/chat/completions")
