"""A real window on a real (virtual) display, worked with the mouse and the keyboard, on the real engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def display() -> Iterator[str]:
    """An X server of our own; it names the display that it found free."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not come up"
    try:
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


def test_from_a_new_environment_to_clean_cached_images(
    display: str, mini_base: str, ar_home: Path, tmp_path: Path
) -> None:
    env = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "AGENTS_RUNNER_HOME": str(ar_home)}
    env.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-m", "tests.e2e.window_driver", mini_base, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert lines[0] == "saved"
    assert lines[1].startswith("run built")
    assert lines[2].startswith("run hit")
    # The window's own clock went on while the image was built (at least a second, a beat every 30 ms).
    assert int(lines[1].split()[-1]) > 25
    assert "freed" in lines[3]
    assert (tmp_path / "end.png").stat().st_size > 10_000
    assert "Traceback" not in done.stderr
    assert "QThread: Destroyed" not in done.stderr
