"""What the application runs in a task's container has no more rights than the agent, which may have planted it."""

from __future__ import annotations

from agents_runner.desktop import container_paths


def test_h1_a_look_at_the_screen_runs_with_no_right_at_all() -> None:
    argv = container_paths.as_person("1500:100", container_paths.CONNECT)
    own, theirs = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    # Nothing of it is looked up by PATH before the rights are gone.
    assert own[0].startswith("/run/agents-runner/in/tools/")
    assert {"--reuid=+1500", "--regid=+100", "--no-new-privs", "--bounding-set=-all", "--ambient-caps=-all"} <= set(
        own
    )
    assert theirs == container_paths.CONNECT
