"""Values and rules that know neither Qt nor Docker."""
