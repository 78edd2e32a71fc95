"""The report of a run: one HTML page without scripts or outside files, its figures as SVG and PNG, its tables as CSV.

In: a run in any state, as ``storage.partial_run`` reads it. Out: files; what can't be read is a note on the page.
``data.py`` collects, ``figures.py`` and ``tables.py`` shape, ``drawing.py`` draws, ``page.py`` writes.
It must not know models, Ray or the command line; text from a run is escaped wherever it is shown.
Read ``data.py`` first.
"""
