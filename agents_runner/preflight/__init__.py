"""Understanding shell scripts."""
