"""Small models on loopback: each speaks one agent's wire format and asks for one shell command."""
