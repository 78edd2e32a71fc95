"""Adapters: domains made from third-party environments, named ``KIND:WHAT`` (``mcp:library.yaml``, ``tau2:retail``).

In: WHAT, as the user wrote it. Out: a subclass of ``Domain``, or a one-line ``ValueError`` or ``UnknownDomain``. What
is adapted is imported only when such a domain is asked for; no built-in domain and nothing above this room knows about
it. Each adapter is a package whose function ``domain`` is listed in ``environments/registry.py``. Read that table
first.
"""
