"""The command line. ``main.py`` has the commands that make runs; the others are one file a subject."""
