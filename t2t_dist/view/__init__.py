"""``t2t view``: a web server on the loopback interface that shows runs in a browser.

In come run directories, followed while they are being written; out come pages to read: runs, tasks with the evidence in
their certificates, episodes replayed beside the gold, lists with filters and search. It writes nothing, calls no model,
knows no Ray and no cluster, and never loads all rows of a run. Read ``server.py`` (the routes) first, then ``pages.py``
(the data of each page), then ``runs.py`` with ``index.py`` (what is read of a run).
"""
