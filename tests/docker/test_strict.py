"""The profile Strict: what of a container is tighter than under Standard."""

from __future__ import annotations

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli, Done

LOOK = """while read -r _ target kind options _; do
    [ "$target" != /tmp ] || echo "tmp $kind $options"
done </proc/mounts
cp /bin/echo /tmp/program && /tmp/program ran
cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true
"""


def of_tmp(done: Done) -> tuple[str, set[str]]:
    (found,) = [line.split(" ") for line in done.log if line.startswith("tmp ")]
    return found[1], set(found[2].split(","))


@pytest.mark.parametrize("cached", ["true", "false"])
def test_s6_strict_has_tmp_in_memory_from_which_programs_run_and_1024_processes(
    make_environment: MakeEnvironment, cli: Cli, cached: str
) -> None:
    name = make_environment(
        workspace="none",
        profile="strict",
        cache_container_build=cached,
        cached_preflight_script="echo of-the-layer >/tmp/left && cp /bin/echo /tmp/set-up && /tmp/set-up cached\n",
        run_preflight_script="cp /bin/echo /tmp/of-run && /tmp/of-run run\n",
    )
    done = cli("run", name, LOOK + "/tmp/of-run agent\n", "--json")
    kind, options = of_tmp(done)
    assert kind == "tmpfs"
    assert {"rw", "nosuid", "nodev"} <= options
    assert "noexec" not in options
    assert {"cached", "run", "ran", "agent", "1024"} <= set(done.log)


def test_s6_strict_takes_fewer_processes_and_no_more(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(workspace="none", profile="strict", resources__pids="100")
    assert "100" in cli("run", name, LOOK, "--json").log
    make_environment(edit=True, resources__pids="5000")
    assert "1024" in cli("run", name, LOOK, "--json").log


def test_s6_standard_has_the_images_own_tmp(make_environment: MakeEnvironment, cli: Cli) -> None:
    log = cli("run", make_environment(workspace="none"), LOOK, "--json").log
    assert not [line for line in log if line.startswith("tmp ")]
    assert "4096" in log
