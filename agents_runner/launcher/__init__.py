"""The container's first process: the shell programs that we ship and the files they read."""
