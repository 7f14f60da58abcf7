"""Files and the task database."""
