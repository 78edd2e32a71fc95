"""What TRL's trainers make of the exports: read, tokenized, masked and trained on, by a small model without weights."""

from __future__ import annotations

import math
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.environments import registry
from t2t_dist.export import Filters, Options, export, mask
from tests.support.finished_run import LIBRARY, write_run
from tests.support.made import make
from tests.support.matrix import rolled_out, rows_of, tasks_of
from tests.vllm.weights import checkpoint

AGENTS = ["scripted:oracle", "scripted:hasty"]
#: Longer than any conversation here: a row that is cut off is no test of what is in it.
LONGEST = 8192


@pytest.fixture
def model(tokenizer: Any) -> Any:
    """Two narrow layers under the real vocabulary; the library's policy is short, so that a step takes seconds."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(checkpoint()))
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 2, 32, 64
    config.num_attention_heads = config.num_key_value_heads = 2
    config.head_dim, config.max_position_embeddings, config.layer_types = 16, LONGEST, None
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(config)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = make(registry.load(LIBRARY), 40)
    tasks = tasks_of(made, 2)
    folder = tmp_path_factory.mktemp("trl") / "run"
    write_run(folder, [*rows_of(tasks), *rolled_out(made, tasks, AGENTS)], domain=LIBRARY, agents=AGENTS)
    return str(folder)


def loaded(run: str, out: Path, options: Options) -> Any:
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    from datasets import load_dataset

    export([run], str(out), options)
    return load_dataset(str(out), split="train", cache_dir=str(out.parent / "cache"))


def settings(kind: Any, folder: Path, **more: Any) -> Any:
    return kind(
        output_dir=str(folder),
        max_length=LONGEST,
        max_steps=1,
        per_device_train_batch_size=1,
        learning_rate=1e-2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        **more,
    )


def loss(trainer: Any) -> float:
    """Of one step."""
    trainer.train()
    (loss,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return float(loss)


@pytest.mark.parametrize("file", ["jsonl", "parquet"])
def test_sft_takes_messages_and_tools_as_they_are(
    tokenizer: Any, model: Any, run: str, tmp_path: Path, file: str
) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = loaded(run, tmp_path / "out", Options("sft", file=file, shares=(1.0, 0.0, 0.0), filters=Filters()))
    trainer = SFTTrainer(
        model, args=settings(SFTConfig, tmp_path / "model"), train_dataset=rows, processing_class=tokenizer
    )
    for row, made in zip(rows, trainer.train_dataset, strict=True):
        assert list(made["input_ids"]) == mask(tokenizer, row)[0], "TRL renders another conversation than mask does"
    assert loss(trainer) == pytest.approx(math.log(len(tokenizer)), rel=0.1), "a model that knows nothing yet"


def test_sft_learns_the_agents_tokens_alone_where_the_mask_says_so(
    tokenizer: Any, model: Any, run: str, tmp_path: Path
) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = loaded(run, tmp_path / "out", Options("sft", shares=(1.0, 0.0, 0.0), filters=Filters()))

    def masked(row: dict[str, Any]) -> dict[str, list[int]]:
        ids, marks = mask(tokenizer, row)
        return {"input_ids": ids, "assistant_masks": marks}

    trainer = SFTTrainer(
        model,
        args=settings(SFTConfig, tmp_path / "model"),
        train_dataset=rows.map(masked, remove_columns=rows.column_names),
        processing_class=tokenizer,
    )
    (batch,) = [trainer.data_collator([trainer.train_dataset[0]])]
    ids, marks = mask(tokenizer, rows[0])
    assert batch["input_ids"][0].tolist() == ids
    assert batch["labels"][0].tolist() == [token if marked else -100 for token, marked in zip(ids, marks, strict=True)]
    assert loss(trainer) == pytest.approx(math.log(len(tokenizer)), rel=0.1), "a model that knows nothing yet"


def test_dpo_takes_pairs(tokenizer: Any, model: Any, run: str, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    rows = loaded(run, tmp_path / "out", Options("preference", shares=(1.0, 0.0, 0.0)))
    trainer = DPOTrainer(
        model,
        ref_model=deepcopy(model),
        args=settings(DPOConfig, tmp_path / "model"),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    for row, made in zip(rows, trainer.train_dataset, strict=True):
        prompt = tokenizer.decode(made["prompt_ids"])
        assert row["prompt"][0]["content"] in prompt
        assert prompt.endswith("<|im_start|>assistant\n")
        assert tokenizer.decode(made["chosen_ids"]) != tokenizer.decode(made["rejected_ids"])
    assert loss(trainer) == pytest.approx(math.log(2), rel=1e-3), "before its first step it prefers neither side"
