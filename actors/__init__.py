"""Ray actors, thin: a worker that rolls out episodes, and a host of one vLLM server.

In: a run's config and orders from the driver (``rollout.py``); a pool's config and a place to run (``inference.py``).
Out: reports, and shards that the worker writes itself; an engine's address, status and log. No row crosses Ray.
Must not know: which items run where, when an attempt is repeated, how engines are placed; ``cluster`` decides that.
Read first: ``rollout.py``; for engines ``engine.py``, then ``server.py`` (command line) and ``families.py`` (parsers).
"""
