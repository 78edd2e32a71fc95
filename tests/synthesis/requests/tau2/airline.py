from .words import collector

TASKS, said_by = collector()
