"""Agents Runner: coding agents in containers that start at once."""

__version__ = "0.1.0"
