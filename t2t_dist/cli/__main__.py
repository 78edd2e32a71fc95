"""Entry point ``python -m t2t_dist.cli``: the same as ``t2t``, where no script of that name is installed."""

from .main import main

main()
