"""Values of secrets in a real desktop keyring: GNOME Keyring on a session bus of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon")
SCRIPT = """
printf 'password\\n' | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null
set -e
run="$PYTHON -m agents_runner env"
$run create test >/dev/null
printf 'in-the-keyring\\nsecond line\\n' | $run secret set test TOKEN --json
$run secret list test --json
$PYTHON - <<'PYTHON'
import os, pathlib
from agents_runner.store.secret_values import KeyringSecrets
home = pathlib.Path(os.environ["AGENTS_RUNNER_HOME"])
(file,) = (home / "environments").glob("*.json")
print(repr(KeyringSecrets(instance=(home / "instance").read_text()).get(file.stem, "TOKEN")))
PYTHON
$PYTHON -c 'import secretstorage; secretstorage.get_default_collection(secretstorage.dbus_init()).lock()'
echo again | $run secret set test OTHER || echo refused
"""


@pytest.mark.skipif(any(shutil.which(name) is None for name in PROGRAMS), reason=f"needs {' and '.join(PROGRAMS)}")
def test_s3_a_real_keyring_keeps_values(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    home = tmp_path / "files"
    environment = {name: value for name, value in os.environ.items() if "KEYRING" not in name and "DBUS" not in name}
    environment |= {
        "AGENTS_RUNNER_HOME": str(home),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = ["dbus-run-session", "--", "bash", "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"storage": "keyring"' in done.stdout
    assert '"value": "set"' in done.stdout
    assert repr("in-the-keyring\nsecond line\n") in done.stdout
    assert "The keyring is locked." in done.stderr
    assert done.stdout.splitlines()[-1] == "refused"
    assert not [path for path in home.rglob("*") if path.is_file() and b"in-the-keyring" in path.read_bytes()]
