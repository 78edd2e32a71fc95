"""Grading: what an episode is worth, and why one failed.

In: a task, its transcript, how the conversation ended, the domain. Out: an ``Outcome`` (reward, parts, process checks),
and on demand a ``Diagnosis``. Both are pure functions of stored data, so that a grade can always be repeated.
Must not know: models, players, storage, Ray, the clock. A failure of the machinery is never graded here.
Read ``grade.py`` first, then ``replay.py`` and ``parts.py``; ``diagnose.py`` looks for the causes.
"""
