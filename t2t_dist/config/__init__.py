"""The settings of a run: their model, defaults and help; loading them; the domain and the model names they contain.

In: a YAML file and overrides from the command line. Out: a checked :class:`~t2t_dist.config.settings.Config`, which
every room above takes. Must not know who uses a setting: no model client, no storage, no pipeline.
Read first: ``settings.py``, then ``engines.py`` (engines and pools) and ``model_names.py`` (``KIND:WHAT``).
"""
