"""Storage of a run: rows in Arrow shards, a ledger of commits, a manifest, a status file and a lock.

In: rows of the objects in ``core/schema.py``, written by workers; commits by the one driver. Out: readers of tables, of
single shards, of a finished run as a source and of a damaged one. Must not know models, prompts, grading or Ray.
Read first: ``objects/base.py`` (the primitives of a store), ``ledger.py`` (when a row exists), ``writer.py``,
``shard.py`` and ``reader.py``.
"""
