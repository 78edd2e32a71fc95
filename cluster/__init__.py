"""Runs on Ray: the driver that leases items to workers, the engines, the jobs and the metrics.

In: a run's kind, settings and directory. Out: a complete ledger, its status file, and a result or a typed failure.
State machines (``scheduling``, ``engines.admission``, ``engines.health``, ``jobs.watch``) know no Ray and no clock;
only ``connect``, ``doctor``, ``driver``, ``workers``, ``engines.fleet`` and ``jobs.server`` import Ray. Nothing here
knows what an item is: :mod:`t2t_dist.pipeline` does. Read ``launch.py`` first, then ``driver.py``.
"""
