
# A file without a shebang, with a leading blank line.


# Two comments,
# one block.

apt-get install -y a   # trailing

# About the second.

apt-get install -y b


# Task part

mkdir "$HOME/$AGENTS_RUNNER_TASK_ID"

# The end.
