"""The audit of a data set: whether the tasks and episodes of a run are worth training on (docs/audit.md).

In: the rows of a run, and its domain. Out: measures, each a figure with what it is about, and verdicts by limits.
It must ask no model and change no row. Pure functions of rows, but for the floors, which are rolled out.
Read ``auditing.py`` first, then ``measures.py`` and ``limits.py``; every other module is one group of measures.
"""
