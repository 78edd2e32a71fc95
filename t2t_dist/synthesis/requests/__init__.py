"""What customers mean where they don't say it by its value: "my latest order", "everything but the lamp".

In come the errands of a task; out come expressions for some of their arguments, words for them, the look-ups that they
take, and worlds in which the same words mean something else. ``language.py`` is the language, ``shown.py`` what it is
about (the records in results), ``evaluate.py`` its meaning; ``describe.py`` finds expressions for a value, ``words.py``
writes and reads them, ``twins.py`` finds the other worlds, ``denote.py`` puts it all together, ``check.py`` proves it.
Nothing here knows intents, models, episodes or storage.
"""
