"""The command line: ``t2t COMMAND``. One of the two composition roots (the other is ``t2t_dist.api``).

In: arguments, YAML files, run directories. Out: progress and messages on stderr, tables or one JSON object on stdout,
and an exit code (0 done, 1 a gate failed, 2 bad input, 3 no result, 75 stopped and resumable).
It decides nothing about data: a command turns its options into a ``Config``, calls a room, and prints what comes back.
Heavy modules (Ray, Arrow) are imported inside the commands, so that ``t2t --help`` loads neither.
Read ``main.py`` first (the app, the commands that make runs), then ``common.py`` (options) and ``consoles.py``, through
which all text goes to the terminal; the other files are a subject each.
"""
