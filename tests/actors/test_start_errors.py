"""Explanations of start errors from vLLM's log. Those that need no GPU also occur for real in tests/vllm."""

from __future__ import annotations

import pytest

from t2t_dist.actors.start_errors import explain_start_error, is_port_taken
from t2t_dist.config.engines import PoolConfig

CONFIG = PoolConfig(model="org/model")


def said(*lines: str, gpus: int = 1, code: int = 1) -> str:
    found = explain_start_error(lines, CONFIG, 8000, gpus, code)
    assert "\n" not in found
    return found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("OSError: [Errno 98] Address already in use", "port 8000 is taken"),
        (
            "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory"
            " utilization (0.92, 72.86 GiB). Decrease GPU memory utilization",
            "only 3.1 of 79.2 GiB of the device's memory are free",
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB.",
            "out of GPU memory while org/model was loaded: raise engine.tensor_parallel",
        ),
        ("ValueError: No available memory for the cache blocks. Try increasing", "the weights left none"),
        (
            "RuntimeError: Worker failed with error 'Available memory on node 0 (13.98/15.84 GiB) on kv cache"
            " allocation is less than requested memory for kv (500.0 GiB). Decrease --kv-cache-memory-bytes'",
            "500.0 GiB are asked for, 13.98 GiB are free; lower VLLM_CPU_KVCACHE_SPACE",
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (4096), (0.09 GiB KV cache is"
            " needed, which is larger than the available KV cache memory (0.01 GiB). Try increasing",
            "needs 0.09 GiB, there are 0.01 GiB; lower max-model-len in engine.args, or",
        ),
        ("OSError: You are trying to access a gated repo.", "org/model is gated"),
        ("RuntimeError: operator torchvision::nms does not exist", "pip uninstall torchvision"),
        ("  Value error, Model architectures ['X'] are not supported [type=value_error", "architectures ['X'] are not"),
    ],
)
def test_known_causes(line: str, message: str) -> None:
    prefix = "(EngineCore pid=77) ERROR 11-24 15:05:24 [core.py:1510] "
    assert message in said("INFO fine so far", prefix + line, "RuntimeError: Engine core initialization failed.")


def test_the_last_error_that_is_no_consequence_is_quoted() -> None:
    lines = (
        "(Worker pid=9) ERROR 11-24 15:05:24 [core.py:1] ImportError: no flash attention here",
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
    )
    assert said(*lines) == "vLLM: ImportError: no flash attention here"


def test_an_end_without_a_word() -> None:
    assert "killed (SIGKILL)" in said("loading", code=137)
    assert said("loading", code=3) == "the server ended by itself (exit code 3): loading"
    assert said(code=3) == "the server ended by itself (exit code 3): it wrote nothing"


def test_port_taken() -> None:
    assert is_port_taken(["x", "OSError: [Errno 98] Address already in use"])
    assert not is_port_taken(["OSError: [Errno 24] Too many open files"])
