"""Explanations of why a server did not start, one line each, from its log: the causes that a person can fix."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from t2t_dist.config.engines import PoolConfig

#: The longest message, in characters: a list of all parsers fits.
_QUOTE = 1200


class _Cause(NamedTuple):
    """A pattern in the log, and its message, which may use the pattern's groups, {model}, {port} and {memory}."""

    pattern: str
    message: str


_PORT_TAKEN = r"Address already in use|\[Errno 98\]"
_NO_MODEL = (
    r"HFValidationError|RepositoryNotFoundError|LocalEntryNotFoundError|Invalid repository ID or local directory"
    r"|is not a local folder and is not a valid model identifier|Can't load the configuration of"
)
_CAUSES = (
    _Cause(_PORT_TAKEN, "port {port} is taken; free it, or leave engine.port out for a free one"),
    _Cause(
        r"GatedRepoError|gated repo", "model {model} is gated: put a token that may read it into engine.env as HF_TOKEN"
    ),
    _Cause(
        _NO_MODEL,
        "no model {model}: no directory with a config.json by that name here, and no hub gave it"
        " (a wrong name, no connection, or HF_HUB_OFFLINE)",
    ),
    _Cause(
        r"invalid tool call parser: (?P<name>\S+) \(chose from \{ ?(?P<known>.*?) ?\}",
        "this vLLM has no tool parser {name}; set engine.tool_parser to none or one of: {known}",
    ),
    _Cause(
        r"Reasoning parser '(?P<name>.*?)' not found\. Available parsers: (?P<known>[^\"\n]*)",
        "this vLLM has no reasoning parser {name}; set engine.reasoning_parser to none or one of: {known}",
    ),
    _Cause(
        r"chat template (string )?\((?P<file>.*?)\) (appears|looks)",
        "chat template {file} can't be read; set engine.chat_template to a file with a template",
    ),
    _Cause(r"error: unrecognized arguments: (?P<flags>.*)", "this vLLM has no such flag: {flags} (from engine.args)"),
    _Cause(r"error: argument (?P<detail>-.*)", "this vLLM refuses a flag: {detail} (see engine.args)"),
    _Cause(
        r"(?P<need>[\d.]+) GiB KV cache is needed.*?available KV cache memory \((?P<have>[\d.]+) GiB\)"
        r"(?P<hint>.*?model length is (?P<length>\d+))?",
        "too little memory for the KV cache: one conversation of full length needs {need} GiB, there are {have} GiB;"
        " lower max-model-len in engine.args{length}, or give it more ({memory})",
    ),
    _Cause(
        r"No available memory for the cache blocks",
        "too little memory for the KV cache: the weights left none ({memory})",
    ),
    _Cause(
        r"\((?P<have>[\d.]+)/[\d.]+ GiB\) on kv cache allocation is less than requested memory for kv"
        r" \((?P<need>[\d.]+)",
        "too little memory for the KV cache: {need} GiB are asked for, {have} GiB are free;"
        " lower VLLM_CPU_KVCACHE_SPACE (GiB) in engine.env, or free some",
    ),
    _Cause(
        r"\((?P<have>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than desired .PU memory utilization",
        "only {have} of {total} GiB of the device's memory are free: end what else runs on it,"
        " or lower gpu-memory-utilization in engine.args",
    ),
    _Cause(
        r"OutOfMemoryError|CUDA out of memory|HIP out of memory",
        "out of GPU memory while {model} was loaded: raise engine.tensor_parallel, or lower max-model-len,"
        " max-num-seqs or gpu-memory-utilization in engine.args",
    ),
    _Cause(
        r"User-specified max_model_len \((?P<given>\d+)\) is greater than the derived max_model_len"
        r" \(\w+=(?P<most>\d+)",
        "max-model-len {given} in engine.args is more than {model} was made for ({most})",
    ),
    _Cause(
        r"operator torchvision::nms does not exist",
        "torchvision there was built for another torch;"
        " pip uninstall torchvision torchaudio torchcodec, which it can do without",
    ),
    _Cause(
        r"No CUDA GPUs are available|Failed to infer device type|libcuda\.so",
        "vLLM finds no GPU here; a machine without one needs vllm-cpu in place of vllm",
    ),
    _Cause(r"Value error, (?P<detail>.*?)( \[type=|$)", "vLLM refuses {model}: {detail}"),
)
#: Before a line's text: the process that wrote it, and the logger's level, time and place.
_PREFIX = re.compile(r"^(\(.*?pid=\d+\) ?)?((INFO|WARNING|ERROR) [\d-]+ [\d:]+ \[\S+\] ?)?")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(?P<what>\w*(?:Error|Exception|Interrupt)): (?P<detail>.+)")
#: What vLLM raises only because something else was raised before.
_CONSEQUENCE = re.compile(r"Engine core initialization failed|See root cause above|WorkerProc initialization failed")


def explain_start_error(lines: Sequence[str], config: PoolConfig, port: int, gpus: int, code: int | None) -> str:
    """One line on why a server ended while it started.

    Args:
        lines: what it wrote, the latest last.
        code: its exit code, 128 + N for signal N; None if it still runs.
    """
    plain = [_PREFIX.sub("", line).rstrip() for line in lines]
    text = "\n".join(plain)
    memory = (
        "gpu-memory-utilization in engine.args, or engine.tensor_parallel"
        if gpus
        else "VLLM_CPU_KVCACHE_SPACE, in GiB, in engine.env"
    )
    for cause in _CAUSES:
        if match := re.search(cause.pattern, text, re.MULTILINE):
            groups = {name: value or "" for name, value in match.groupdict().items()}
            if groups.get("length"):
                groups["length"] = f" to {groups['length']}"
            return _line(cause.message.format(**groups, model=config.model, port=port, memory=memory))
    for line in reversed(plain):
        if (match := _EXCEPTION.match(line)) and not _CONSEQUENCE.search(line):
            return _line(f"vLLM: {match['what']}: {match['detail']}")
    if code == 128 + signal.SIGKILL:
        return "the server was killed (SIGKILL): most often by the system, which had no memory left"
    last = next((line for line in reversed(plain) if line.strip()), "it wrote nothing")
    return _line(f"the server ended by itself (exit code {code}): {last}")


def _line(message: str) -> str:
    message = " ".join(message.split())
    return message if len(message) <= _QUOTE else message[: _QUOTE - 3] + "..."


def is_port_taken(lines: Sequence[str]) -> bool:
    """Whether a server ended because it could not have its port."""
    return any(re.search(_PORT_TAKEN, line) for line in lines)
