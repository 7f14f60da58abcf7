"""The only place that talks to a container engine."""
