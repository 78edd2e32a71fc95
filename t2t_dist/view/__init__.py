"""``t2t view``: a local web application over the shards of runs. Reads only; see docs/view.md."""
