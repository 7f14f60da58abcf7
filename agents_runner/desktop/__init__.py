"""A screen for agents: the scripts that install and start it, and the proxy through which a person looks at it."""
