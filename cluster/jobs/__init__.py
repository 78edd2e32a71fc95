"""Runs as jobs of a remote Ray cluster, for ``t2t submit``.

In: a command, the working tree and the address of a job server. Out: the job's log, line by line, and an exit code.
``watch`` is a pure state machine, ``verdict`` a pure function; ``server`` talks to Ray's job server, ``package`` makes
the zip that is sent. Nothing here runs on the cluster, or imports the driver. Read ``server.py`` first.
"""
