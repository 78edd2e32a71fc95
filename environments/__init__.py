"""Domains and their worlds: the data and tools that a conversation works on.

In: a domain's name, a database seed and scale, calls. Out: databases, results of calls, the state of a world with its
digest, rules broken by a call, and the domain's phrasings. Nothing here knows models, episodes, files of a run or Ray,
or imports another room; a domain has no clock and no chance but those in its state. Each domain is a folder
(``retail``, ``airline``, ``telecom``). Read ``base.py`` first, then ``state.py`` and ``tools.py``, then the domain
``retail``.
"""
