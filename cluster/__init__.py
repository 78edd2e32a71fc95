"""Where the work goes: pure state machines (leases, scheduler), and the Ray wiring around them (launch)."""
