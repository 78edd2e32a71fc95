"""Clients of language models: asking them, balancing over engines, counting, recording.

In: a conversation and its tools, encoded (``chat.py``), and the settings of a run. Out: a reply, or one of the engine
errors of ``core/errors.py``; counts of calls and tokens per pool and per item.
Must not know: tasks, domains, episodes, stored rows, Ray, nor how engines are started (it gets a ``FleetView``).
Read first: ``chat.py`` (the contract), then ``clients.py``; ``pool.py`` and ``routing.py`` for several engines.
"""
