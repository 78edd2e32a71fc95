"""The Prometheus metrics of a run, served by its driver.

In: reports of workers, the scheduler's counts, readings of engines, commits. Out: series over HTTP. ``snapshot``
collects once per second in the driver's loop, ``series`` converts a snapshot (pure), ``exporter`` serves it from its
own thread. Nothing here influences the run. Read ``snapshot.py`` first, then ``series.py``.
"""
