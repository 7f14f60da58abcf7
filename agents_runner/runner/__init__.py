"""Use cases: plan a launch, run a task."""
