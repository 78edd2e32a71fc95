"""Stores of run directories: a few primitives, on a disk or behind a URI.

In: an address (path, ``s3://``, any URI that pyarrow opens). Out: a :class:`~t2t_dist.storage.objects.base.Storage`,
whose objects are written as a whole or not at all. Must not know what the objects contain: no rows, no ledger.
Read first: ``base.py``; then ``opening.py``, ``local.py``, and ``remote.py`` with ``s3.py`` and ``arrow.py``.
"""
