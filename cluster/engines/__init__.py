"""The engines of a run: servers that we host, and third-party endpoints.

In: pools from the settings, polls of the engines, reports of the workers. Out: a view for each worker of the engines
that it may use and its share of their limits; readings for the metrics. ``health`` and ``admission`` are pure state
machines; only ``fleet`` knows Ray, only ``poller`` knows HTTP, and nothing here knows items or conversations.
Read ``fleet.py`` first, then ``health.py`` and ``admission.py``.
"""
