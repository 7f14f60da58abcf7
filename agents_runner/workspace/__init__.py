"""The host side of the work: folders and git."""
