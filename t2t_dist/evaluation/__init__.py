"""The figures of a run in any state: pass^k with intervals, differences, thresholds, causes, costs, audit, report.

In: the rows and counters of a run, read in batches (``storage``), and grades as they are stored. Out: the summary (the
JSON object of a command), files for CI, a page.
It must not know how a run is carried out (``pipeline``, ``cluster``), and prints nothing.
``audit/`` rolls scripted agents out, on a sample of a run's tasks and in this process.
Read ``results_table.py`` first (all trials as a few arrays), then ``stats.py`` (the estimates) and ``summary.py``.
"""
