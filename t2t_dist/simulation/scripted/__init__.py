"""Players without a model: the oracle agent, four agents with one flaw each, and the scripted user.

In: a task (agents), or the user's side of one and a seed (user). Out: the next turn of a transcript.
Must not know: models, grades; the user also must not know the grader's side, the agent's tools or any data. Wordings
are drawn from a seed, so that equal seeds give equal conversations.
Read ``oracle.py`` first (the dialogue as a generator), then ``agents.py``; ``user.py`` is its counterpart.
"""
