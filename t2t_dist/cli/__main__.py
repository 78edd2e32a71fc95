"""``python -m t2t_dist.cli``: what ``t2t`` does, where no script of that name is installed."""

from .main import main

main()
