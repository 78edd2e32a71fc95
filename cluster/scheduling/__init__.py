"""The scheduling of items: pure state machines that the driver asks what to do.

In: events (a worker joined, items finished, time passed), with the time as an argument. Out: leases, items to requeue,
items to record as failures, and where to start workers. Nothing here knows Ray, a clock, files or what an item holds:
items are numbers, workers and nodes are names. Read ``scheduler.py`` first; it uses ``leases.py``. ``placement.py``,
``slots.py`` and ``first_items.py`` stand alone.
"""
