"""Customers that push, and what is written to mislead: each with its proof.

In come a domain and a task's structure, or a finished task; out come what the customer claims, gets wrong about
themselves, or what a note in the task's world tells the agent to do, or the evidence that it is so. Start with
``push.py``. Nothing here knows the conversation: who says what when is the scripted user's matter, and that of prompts.
"""
