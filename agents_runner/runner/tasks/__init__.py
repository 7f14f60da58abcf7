"""The use cases of tasks: planning, running, recording and resuming them."""
