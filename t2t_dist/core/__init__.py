"""What every other room builds on: the objects of the method, errors, ids and seeds, speech acts, prompt templates.

In: plain values and texts. Out: :mod:`~t2t_dist.core.schema` (trajectory, task, episode), typed errors, ids derived
from content, answers to "does this text ask for that?". Must not know models, storage, settings, Ray or the clock; of
the rooms below it knows only ``environments`` (a domain's type).
Read first: ``schema.py``, then ``errors.py``.
"""
