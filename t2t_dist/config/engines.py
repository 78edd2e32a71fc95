"""Settings of engines and pools.

A *pool* serves one model: through hosted engines (``vllm:MODEL``), which a run starts itself, through external
endpoints, or both. Only ``actors/inference.py`` knows what an engine is made of; everything else sees addresses.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from yarl import URL

from t2t_dist.core.errors import InputError
from t2t_dist.core.printing import keep_secret

#: Marks a field that changes how a run is carried out, not its results: it may differ when the run is resumed.
HOW: dict[str, Any] = {"results": False}


def _kept(variable: str) -> str:
    keep_secret(os.environ.get(variable, "").strip())
    return variable


#: The name of an environment variable with a key. Whatever reads such settings, a stored run's too, prints no such key.
KeyVariable = Annotated[str, AfterValidator(_kept)]


class Section(BaseModel):
    """Base of all sections of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, strict=True)


class EngineConfig(Section):
    """How hosted engines are started. Fields that change the text they generate are part of a run's identity."""

    tensor_parallel: int = Field(1, ge=1, description="GPUs per engine that share each layer", json_schema_extra=HOW)
    pipeline_parallel: int = Field(
        1, ge=1, description="GPUs per engine that split the layers between them", json_schema_extra=HOW
    )
    device: str = Field(
        "auto",
        pattern="^(auto|gpu|cpu)$",
        description="gpu, cpu, or auto: GPUs if the cluster has any",
        json_schema_extra=HOW,
    )
    tool_parser: str = Field("auto", description="the server's tool-call parser; auto chooses by the model's family")
    reasoning_parser: str = Field("auto", description="the server's reasoning parser; auto, none, or its name")
    chat_template: str | None = Field(None, description="file with a chat template to use instead of the model's")
    strict_tools: bool = Field(
        True, description="enforce required, named and strict tools by a grammar; changes what is sampled"
    )
    args: dict[str, Any] = Field({}, description="more flags of the server: {max-model-len: 8192, dtype: bfloat16}")
    env: dict[str, str] = Field({}, description="environment variables of the server", json_schema_extra=HOW)
    python: str | None = Field(
        None, description="Python interpreter that has vLLM; default: this one", json_schema_extra=HOW
    )
    port: int | None = Field(
        None, ge=1, le=65535, description="port of the server; default: a free one", json_schema_extra=HOW
    )
    start_deadline_s: float = Field(
        1800.0, gt=0, description="seconds an engine may take to start; large models load slowly", json_schema_extra=HOW
    )
    most: int = Field(1024, ge=1, description="upper limit of concurrent requests per engine", json_schema_extra=HOW)
    max_restarts: int = Field(
        5, ge=0, description="consecutive restarts before an engine is given up", json_schema_extra=HOW
    )


class Replicas(Section):
    """A number of replicas: ``{min: 1, max: 4}``, or one number for both."""

    min: int = Field(1, ge=0, description="a run starts when this many are ready")
    max: int = Field(1, ge=0, description="upper limit; more are started while the cluster has room")

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: Any) -> Any:
        """``replicas: 2`` is exactly two."""
        return {"min": given, "max": given} if isinstance(given, int) else given

    @model_validator(mode="after")
    def _in_order(self) -> Replicas:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is below min ({self.min})")
        return self


class PoolConfig(EngineConfig):
    """One model and what serves it. A seat names it as ``pool:NAME``."""

    model: str = Field(description="path or name of the model, as the endpoints know it")
    replicas: Replicas | None = Field(
        None,
        description="hosted engines, {min: 1, max: 4} or a number; default: one, or none if urls are given",
        json_schema_extra=HOW,
    )
    urls: list[str] = Field([], description="external endpoints, each ending in /v1", json_schema_extra=HOW)
    api_key_env: KeyVariable | None = Field(
        None, description="environment variable with the API key of these endpoints", json_schema_extra=HOW
    )

    @field_validator("urls")
    @classmethod
    def _checked(cls, urls: list[str]) -> list[str]:
        try:
            return [endpoint_url(url) for url in urls]
        except InputError as error:
            raise ValueError(str(error)) from None

    def hosted(self) -> Replicas:
        """How many engines the run starts itself."""
        return self.replicas or (Replicas(min=0, max=0) if self.urls else Replicas())


def endpoint_url(text: str) -> str:
    """An endpoint's base URL, without a trailing slash or ``/chat/completions``.

    Raises:
        InputError: not an HTTP URL, or it contains a user or password.
    """
    base = text.strip().rstrip("/")
    try:
        url = URL(base)
        usable = url.scheme in ("http", "https") and bool(url.host) and not (url.query_string or url.fragment)
        has_password = url.user is not None or url.password is not None
        (url.raw_host or "").encode("idna")  # an empty label, or one that is too long, is no name of a host
    except ValueError:
        usable = has_password = False
    if has_password:
        raise InputError("an endpoint URL holds a user or password; give the key in an environment variable instead")
    if not usable:
        raise InputError(f"endpoint URL {text!r} can't be used; give one like http://HOST:PORT/v1")
    return base.removesuffix("/chat/completions")
