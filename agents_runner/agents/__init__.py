"""One pure description per agent command line."""
