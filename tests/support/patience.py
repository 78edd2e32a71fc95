"""How long a test waits for what has to come."""

#: Seconds. Everything comes within it on a machine thirty times as busy as usual; only what hangs does not.
PATIENCE_S = 800.0
