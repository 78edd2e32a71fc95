"""Prompts, one jinja2 file a seat; rendered by :mod:`t2t_dist.core.prompts.render`."""
