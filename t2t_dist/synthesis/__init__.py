"""Synthesis: making trajectories, and verified tasks of them.

In come a domain and, for explorer, writer and judges that are models, a ``ChatModel``; out come trajectories, and tasks
of two sides with a certificate, verified or rejected with a reason. The steps are explore, convert and verify, each a
function of its inputs and a seed. Nothing here knows episodes, grading, Ray or how a run is written. Read
``explore.py``, ``convert.py`` and ``verify.py``, in this order; the kinds of task are in ``intents/``.
"""
