"""Simulation: one conversation between an agent and a simulated user, on a world of its own.

In: a task, a domain, two players. Out: a ``Rollout`` (transcript, termination, flags, digest of the final world), or a
``RolloutFailed``. ``tool_fault_plan.py`` decides what a tool is made to do wrong; ``user_faults.py`` finds what the
simulated user did wrong.
Must not know: grades, rows, runs, attempts, Ray. Only scripted agents see the grader's side of a task.
Read ``players.py`` first, then ``conversation.py``; ``seating.py`` makes players from their names.
"""
