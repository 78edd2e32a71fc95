"""The Ray of a test session, in a process of its own: prints its address, and ends when its stdin does.

python -m tests.support.shared_ray
"""

from __future__ import annotations

import logging
import os
import sys

import ray

from t2t_dist.cluster.connect import start_local

if __name__ == "__main__":
    os.environ.setdefault("RAY_worker_niceness", "0")  # as a run's own Ray has it
    start_local(num_cpus=2, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
    ray.shutdown()
