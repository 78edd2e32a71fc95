"""Export of runs into a training folder: scan all episodes, choose, assign splits, write, describe."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import stable_hash
from t2t_dist.core.schema import INTENTS
from t2t_dist.environments.base import Domain
from t2t_dist.environments.splits import SPLITS
from t2t_dist.storage.manifest import changed_parts
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.rows import CHECKS
from t2t_dist.synthesis.entities import Entities

from .audit import Audit, read_audit
from .card import ExportCounts, card, licence_of, origin_of, public
from .files import Sink, Spool, open_sink, write_states
from .formats import FORMATS, HEAD, STYLES, head_row, pair_row, rows_of, schema_of
from .messages import messages_of, noise_in, opening, tools_of
from .selection import EVERY_CHECK, NO_CHECK, Filters, LeftOut, Pick, Scan, chosen
from .splits import Groups, assign_splits

_NEEDED = (*HEAD, "turns", "faults")
_ANY = Filters()
#: Formats whose rows (of preference: the chosen side) are to be imitated, so that the way to the reward counts as well.
_IMITATED = ("sft", "preference")


@dataclass(frozen=True)
class Options:
    """The options of an export. ``shares`` are those of train, validation and test; ``audit`` is a file with the
    figures of an audit, for the card."""

    format: str
    style: str = "hf"
    file: str = "jsonl"
    filters: Filters = _ANY
    shares: tuple[float, ...] = (0.9, 0.05, 0.05)
    seed: int = 0
    bare: bool = False
    licence: str | None = None
    audit: str | None = None

    def checked(self) -> Options:
        """The options with the format's defaults filled in. Raises InputError."""
        filters = self.filters
        for name, value, known in (
            ("format", self.format, FORMATS),
            ("style", self.style, STYLES),
            ("file", self.file, ("jsonl", "parquet")),
            *(("intent", intent, INTENTS) for intent in filters.intents),
            *(("process", check, (*CHECKS, EVERY_CHECK, NO_CHECK)) for check in filters.process or ()),
        ):
            if value not in known:
                raise InputError(f"--{name} {value}: give {_or(known)}")
        filters = replace(filters, process=_checks(filters.process, self.format))
        if self.format in _IMITATED:
            if filters.min_reward is not None and filters.min_reward < 1.0:
                raise InputError(
                    f"--min-reward {filters.min_reward:g}: {self.format} never holds failing episodes; leave it out,"
                    " or take --format hf, which has the reward of each"
                )
            filters = replace(filters, min_reward=1.0)
        if self.format == "preference" and filters.per_task is None:
            filters = replace(filters, per_task=1)
        if self.format == "hf" and self.style != "hf":
            raise InputError("--style openai: the format hf has Hugging Face's conversations; take --format sft")
        return replace(self, filters=filters, file="arrow" if self.format == "hf" else self.file)


def _checks(asked: Sequence[str] | None, format: str) -> tuple[str, ...]:
    """The process checks that have to be kept. Raises InputError."""
    if asked is None:
        return CHECKS if format in _IMITATED else ()
    if len(asked) > 1 and not {EVERY_CHECK, NO_CHECK}.isdisjoint(asked):
        raise InputError(f"--process {EVERY_CHECK} and {NO_CHECK} stand alone; leave the others out")
    if EVERY_CHECK in asked:
        return CHECKS
    return () if NO_CHECK in asked else tuple(asked)


@dataclass
class Exported:
    """The result: ``splits`` are rows by split, ``left_out`` episodes by reason, ``notes`` remarks for a person."""

    folder: str
    format: str
    splits: dict[str, int]
    left_out: dict[str, int]
    notes: list[str]


def export(runs: Sequence[str], out: str, options: Options) -> Exported:
    """Export the graded episodes of runs into a new folder.

    The order of rows depends on their ids alone. Two passes over the runs; memory grows by about 2 KB per episode and
    holds only the conversations of the piece that is being sorted.

    Raises:
        InputError: bad options, a folder that is not empty, no run, a domain that can't be loaded, no captured tokens
            (rl), or no episode that passes the filters.
    """
    options = options.checked()
    audit = read_audit(options.audit) if options.audit is not None else None
    folder = Path(out)
    if "://" in out or (folder.exists() and not folder.is_dir()):
        raise InputError(f"--out {out}: a folder on this machine is needed")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"--out {out} is not empty; give a new folder")
    if len({os.path.realpath(run) for run in runs}) < len(runs):
        raise InputError("the same run is named twice")
    sources = [_Run(path, options) for path in runs]
    scan = Scan()
    for run in sources:
        scan.run(run.reading, run.entities, options.filters, options.format)
    picks = chosen(scan, options.filters, options.format == "preference")
    if not picks:
        why = ", ".join(f"{n} {reason}" for reason, n in scan.reasons.items()) or "there are none"
        notes = [note for run in sources for note in run.reading.notes]
        if any(reason.startswith((LeftOut.PROCESS, LeftOut.UNCHECKED)) for reason in scan.reasons):
            why += f" (--process {NO_CHECK} takes them)"
        raise InputError("; ".join([f"no episode to export: {why}", *notes[:1]]))
    split_of, groups = _split(picks, options)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}; give another folder") from None
    try:
        by_id = {identity: pick for pick, identity in picks}
        exported = _written(part, sources, by_id, split_of, groups, scan, options, audit)
        part.chmod(0o755)
        part.rename(folder)  # whole or not at all
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}; give another folder") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    exported.folder = out
    return exported


class _Run:
    """A run to export, with everything that its rows need."""

    def __init__(self, path: str, options: Options) -> None:
        self.reading = reading = PartialRun(path)
        if reading.config is None:
            raise InputError(f"{path}: {reading.notes[0]}")
        if options.format == "rl" and reading.config.models.capture != "tokens":
            raise InputError(
                f"{path} has no token ids: --format rl needs a run made with --set models.capture=tokens and a model"
                " that returns them"
            )
        domain = reading.domain
        if domain is None:
            raise InputError(f"{path}: {reading.notes[-1]}")
        self.domain: Domain = domain
        if not reading.origin.startswith(domain.fingerprint):
            known = {name: digest for name, digest in reading.parts.items() if name != "run"}
            changed = "; ".join(changed_parts(known, domain.parts))
            reading.note(f"its domain has changed since ({changed}): system prompt and tools are the current ones")
        if reading.source is None:
            raise InputError(f"{path}: {reading.notes[-1]}")
        self.source = reading.source
        self.greeting = reading.config.models.greeting
        self.entities = Entities(reading.config.domain, domain)


def _split(picks: Sequence[tuple[Pick, str]], options: Options) -> tuple[dict[str, str], Counter[str]]:
    """The split of each row by its key, and the rows of each group."""
    groups = Groups()
    for pick, _ in picks:
        groups.join((pick.group, *pick.entities))
    found = {pick.key: groups.find(pick.group) for pick, _ in picks}
    sizes = Counter(found.values())
    where = assign_splits(sizes, options.shares, options.seed)
    return {key: where[group] for key, group in found.items()}, sizes


def _written(
    folder: Path,
    sources: Sequence[_Run],
    picks: dict[str, Pick],
    split_of: dict[str, str],
    groups: Counter[str],
    scan: Scan,
    options: Options,
    audit: Audit | None,
) -> Exported:
    spool = Spool(folder / ".spool", len(picks))
    for place, run in enumerate(sources):
        _spool(spool, place, run, picks, options)
    schema = schema_of(options.format, options.style, options.bare)
    counts = ExportCounts(largest=max(groups.values()))
    sinks: dict[str, Sink] = {}
    half: tuple[str, dict[str, Any]] | None = None
    there: set[str] = set()
    for key, number, row in spool.sorted():
        if options.format == "preference":
            if number == 0:
                half = key, row
                continue
            if half is None or half[0] != key:
                continue  # the other side was lost with its shard
            row = _paired(half[1], row, options)
        split = split_of[key]
        if split not in sinks:
            sinks[split] = open_sink(folder, split, options.file, schema)
        row["tools"] = tools_of(sources[row["source"]].domain, row["noise"])
        sinks[split].write({name: row[name] for name in schema.names if name in row})
        counts.rows[split] += 1
        there.add(key)
    for sink in sinks.values():
        sink.close()
    if not there:
        raise InputError("no episode to export: what was chosen can't be read any more")
    written = {identity: pick for identity, pick in picks.items() if pick.key in there}
    scan.left_out[LeftOut.LOST] += len(picks) - len(written)
    return _described(folder, sources, written, split_of, schema, counts, scan, options, audit)


def _spool(spool: Spool, source: int, run: _Run, picks: dict[str, Pick], options: Options) -> None:
    """Spool the rows of a run's chosen episodes."""
    for batch in run.reading.batches("episodes", _NEEDED):
        ids = batch.column("episode_id").to_pylist()
        wanted = [place for place, identity in enumerate(ids) if identity in picks]
        for episode in batch.take(pa.array(wanted, pa.int64())).to_pylist() if wanted else ():
            pick = picks[episode["episode_id"]]
            system, episode["turns"] = opening(run.domain, run.greeting, episode["turns"])
            head = head_row(episode, public(episode["agent"]), pick.entities)
            head |= {"source": source, "noise": noise_in(episode)}
            if options.format == "preference":
                head |= {"messages": messages_of(episode["turns"], system), "pair_id": pick.pair}
                spool.put(pick.key, pick.side, head)
                continue
            for number, row in enumerate(rows_of(options.format, options.style, head, episode, system)):
                spool.put(pick.key, number, row)


def _paired(chosen: dict[str, Any], rejected: dict[str, Any], options: Options) -> dict[str, Any]:
    names = ("pair_id", "domain", "task_id", "trajectory_id", "intent", "entities", "source", "noise")
    head = {name: chosen[name] for name in names}
    for side, row in (("chosen", chosen), ("rejected", rejected)):
        head |= {f"{side}_{name}": row[name] for name in ("episode_id", "agent", "reward")}
    return pair_row(head, chosen["messages"], rejected["messages"], options.style)


def _described(
    folder: Path,
    sources: Sequence[_Run],
    picks: dict[str, Pick],
    split_of: dict[str, str],
    schema: pa.Schema,
    counts: ExportCounts,
    scan: Scan,
    options: Options,
    audit: Audit | None,
) -> Exported:
    """Write the card and, for the format hf, the files that ``load_from_disk`` looks for."""
    groups = Groups()
    for pick in picks.values():
        groups.join((pick.group, *pick.entities))
        counts.cells[pick.intent, public(pick.agent), pick.passed] += 1
    for group, split in {groups.find(pick.group): split_of[pick.key] for pick in picks.values()}.items():
        counts.groups[split] += bool(group)
    splits = {split: counts.rows[split] for split in SPLITS if counts.rows[split]}
    notes = [
        f"{run.reading.run_id}: {note}" for run in sources for note in (*run.reading.notes, *run.reading.unchecked)
    ]
    wanted = [split for split, share in zip(SPLITS, options.shares, strict=True) if share > 0]
    if missing := [split for split in wanted if split not in splits]:
        notes.append(f"there is no {_or(missing)}: the rows make up {sum(counts.groups.values())} groups only")
    total, whole = sum(splits.values()), sum(options.shares)
    for split, share in zip(SPLITS, options.shares, strict=True):
        if split in splits and abs(splits[split] / total - share / whole) > 0.05:
            notes.append(f"{split} is {splits[split] / total:.0%} of the rows instead of {share / whole:.0%}")
    if audit is not None and not audit.is_of(_paths(sources)):
        notes.append(f"the audit is of {audit.name}, which is none of these runs")
    configs = [run.reading.config for run in sources if run.reading.config is not None]
    configs += [s.config for run in sources if (s := run.reading.source) is not None and s.config is not None]
    text = card(
        format=options.format,
        style=options.style,
        file=options.file,
        schema=schema,
        splits=splits,
        counts=counts,
        origins=[origin_of(run.reading) for run in sources],
        licence=options.licence or licence_of(configs),
        filters=_in_words(options.filters),
        process=options.filters.process or (),
        never_checked=[name for name in options.filters.process or () if name not in scan.checked],
        episodes=len(picks),
        left_out=scan.reasons,
        audit=audit,
        notes=notes,
        seed=options.seed,
    )
    (folder / "README.md").write_text(text, "utf-8")
    if options.format == "hf":
        write_states(folder, splits, schema, stable_hash(sorted(picks), options.seed))
    return Exported("", options.format, splits, scan.reasons, notes)


def _paths(sources: Sequence[_Run]) -> list[str]:
    """The runs, and those that their tasks are from."""
    return [path for run in sources for path in (run.reading.path, run.source.path)]


def _in_words(filters: Filters) -> list[str]:
    words = [f"reward at least {filters.min_reward:g}"] if filters.min_reward is not None else []
    asked = (("intent", filters.intents), ("agent", filters.agents), ("process checks", filters.process or ()))
    words += [f"{name} {', '.join(map(public, values))}" for name, values in asked if values]
    words += ["no user faults"] if filters.no_faults else []
    words += [f"at most {filters.max_turns} turns"] if filters.max_turns is not None else []
    words += [f"at most {filters.max_tokens} tokens"] if filters.max_tokens is not None else []
    words += [f"at most {filters.per_task} per task"] if filters.per_task is not None else []
    return [*words, "as many of each intent"] if filters.balance else words


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
