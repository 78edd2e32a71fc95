"""Prompts: one jinja2 template per seat (agent, user, explorer, writer, judge, grader), and JSON answers read back.

In come a domain, a customer's side or a task; out comes the text of a system message. A JSON answer comes in as text
and goes out as a pydantic model or an ``UnusableAnswer``. The templates name no intent: what a seat is told about one
comes from ``synthesis/intents``. The agent's and the user's prompts must not know a task's grader side. Read
``render.py`` first.
"""
