"""Client maker for ``vllm:MODEL``: a pool of engines that we host, for this model alone."""

from .pool import make

__all__ = ["make"]
