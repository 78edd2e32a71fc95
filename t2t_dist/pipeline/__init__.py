"""From settings to rows: the workloads of a run, the stages of a trajectory, episodes, and checks of what was stored.

In: a config, an item number and an attempt. Out: the rows and counts of that item, the same in any worker. Must not
know Ray, workers, leases or the ledger: ``cluster`` decides who runs an item when, ``actors`` store its rows.
Read first: ``workload.py`` (an item), ``workloads.py`` (generate, convert, evaluate), ``stages.py``, ``episodes.py``.
Apart from these: ``recheck.py`` and ``contamination.py`` (of stored runs), ``preflight.py`` (``t2t doctor``).
"""
