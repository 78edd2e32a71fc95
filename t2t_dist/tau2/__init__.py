"""tau2-bench: its files, and its way of grading.

In: a ``tasks.json`` (``import_run.py``), our runs (``export_tasks.py``, ``export_results.py``). Out: task rows, tau2's
files, and tau2's verdict on one of our episodes, which grading puts beside its own (``second_verdict.py``).
Must not know: grading, simulation, the pipeline. tau2 itself is needed only where a task is set in one of its worlds.
Read ``task_format.py`` first, then ``from_tau2.py`` and ``verdict.py``.
"""

#: The ``writer`` of an imported task's row; the row's ``raw`` is the task in tau2's format.
IMPORTED = "tau2"
#: The part in an imported task's basis that makes tau2's verdict the reward.
PART = "tau2"
