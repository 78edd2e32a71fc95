"""tau2-bench's files and its way of grading. tau2 itself is needed only where a task is set in one of its worlds."""

#: Who worded a task that was imported: the ``writer`` of its row, whose ``raw`` is the task as tau2 has it.
IMPORTED = "tau2"
#: The part that stands in an imported task's basis where tau2's verdict is the reward.
PART = "tau2"
