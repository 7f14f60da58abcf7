"""Containers from creation to removal: the only floor that creates, starts, follows, stops and removes them."""
