"""Runs scripts without a container: a throw-away root, stub programs, and the launcher's own way to carry exports.

Absolute paths of a script are moved below the root by text, the same way in every script that is compared. Every
program that is not plain file work is a stub that writes down how often and where it was called.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from agents_runner.launcher.exports import parse_exports
from agents_runner.preflight.managers import BY_PROGRAM
from agents_runner.preflight.programs import BUILDS, CLIENTS, KERNEL, SERVERS, SYSTEM_CONFIG
from agents_runner.preflight.tables import words

_REAL = words(
    "bash sh cat chmod cksum cp cut dirname basename echo env expr false find grep head id install ln ls mkdir "
    "mv nproc printf pwd readlink rm rmdir sed seq sleep sort stat tail tee test touch tr true uname uniq wc "
    "awk comm diff xargs"
)
_OTHERS = words(
    "sudo doas curl wget git tar unzip gpg gpg2 openssl systemctl python python3 node ruby perl php nx tool-cli "
    "example-cli uuidgen date hostname kubectl aws gh gcloud az ssh-keyscan rsync dpkg makepkg lerna deactivate "
    "chown chgrp fdfind mktemp pip3.11 python3.11 nginx tool artisan sysctl localectl su runuser which "
    "virtualenv pre-commit"
)
_FOLDERS = words(
    "home/.config home/.local/bin home/.cache log opt/a opt/b opt/requirements opt/existing opt/packages "
    "opt/downloads etc/apt/sources.list.d etc/apt/preferences.d etc/profile.d etc/sudoers.d etc/sysctl.d "
    "etc/mysql/mysql.conf.d usr/local/bin usr/local/lib usr/src usr/share var/lib/apt/lists var/lib/app "
    "var/lib/mysql var/log tmp workspace/services/api workspace/.git fixtures mnt/shared run data secrets/x home/dev"
)
_FILES = words(
    "etc/apt/sources.list etc/locale.gen etc/mysql/mysql.conf.d/mysqld.cnf etc/hosts etc/passwd etc/group "
    "etc/timezone fixtures/config.yml workspace/package.json workspace/gradlew"
)
_SHELL_FILES = words(
    "home/.cargo/env home/.ghcup/env home/.local/bin/env home/.bashrc opt/conda/etc/profile.d/conda.sh"
)
_TOKENS = words("EXAMPLE_TOKEN NPM_TOKEN GIT_PASSWORD API_TOKEN GITHUB_TOKEN GITLAB_TOKEN")
_ROOTS = "opt|usr/local|usr/src|usr/share|etc|var/lib|var/log|srv|workspace|tmp|home|data|fixtures|mnt|run|secrets"
_ABSOLUTE = re.compile(rf"(?<![\w.~$}}/)-])/(?=(?:{_ROOTS})\b)")

STUB = r"""#!/bin/bash
name=${0##*/}
if [[ $name == sudo || $name == doas ]]; then
    while [[ ${1-} == -* ]]; do [[ $1 != -u ]] || shift; shift; done
    while [[ ${1-} == *=* ]]; do export "$1"; shift; done
    exec "$@"
fi
line="$name $*"
# Where a program is called matters only to those that work on what is there.
case " $* " in *" -g "* | *" --global "* | *" global "* | *" -C "* | *" -d "*) ;; *)
    case $name in
        make | cmake | npm | pnpm | yarn | poetry | bundle | composer | mvn | tar | unzip) line="$line in $PWD" ;;
    esac ;;
esac
case $1 in activate | init | shellenv | hook | shell) exit 0 ;; esac
[[ $name == curl || $name == wget || $name == git || -t 0 || " $* " == *" -s "* ]] || cat >/dev/null
key=$(printf '%s' "$line" | cksum)
printf '%s\n' "$line" >>"$BOX/log/${key%% *}"
target=''
previous=''
for word in "$@"; do
    case $previous in -o | -O | -fsSLo | -qO | --output | -fsSL-o) target=$word ;; esac
    previous=$word
done
program() { printf '#!/bin/bash\necho "${0##*/} $*" >>"$BOX/log/made"\n' >"$1"; chmod 755 "$1"; }
case $name in
    curl | wget)
        if [[ -n $target && $target != - ]]; then
            program "$target"
        elif [[ " $* " == *" -LO "* || " $* " == *" -fLO "* || $name == wget ]]; then
            program "$(basename "${!#}")"
        else
            echo ':'
        fi ;;
    git)
        if [[ " $* " == *" clone "* ]]; then
            target=${!#}
            [[ $target != *://* && $target != git@* ]] || target=$(basename "$target" .git)
            mkdir -p "$target"
            for file in install.sh autogen.sh configure; do program "$target/$file"; done
            echo ":" >"$target/asdf.sh"
        fi ;;
    tar | unzip) [[ " $* " == *" -C "* || " $* " == *" -d "* ]] || { mkdir -p tool/bin; program tool/bin/tool; } ;;
    mktemp) mkdir -p "$BOX/tmp/fixed" && echo "$BOX/tmp/fixed" ;;
    gpg) [[ -z $target ]] || cat >"$target" ;;
    python3 | python)
        [[ "$1 $2" != "-m venv" ]] || { mkdir -p "$3/bin"; echo "export VIRTUAL_ENV=$3" >"$3/bin/activate"; } ;;
    uname) echo x86_64 ;;
    date) echo 2030-01-01 ;;
    uuidgen) echo 00000000 ;;
    dpkg) echo amd64 ;;
esac
exit 0
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is left of a run: files (path to mode and content), exported variables, the exit status."""

    files: Mapping[str, tuple[int, str]]
    exports: Mapping[str, str | None]
    status: int
    output: str = ""


class ShellBox:
    """A root folder of its own, made anew for every run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.stubs = folder / "stubs"
        self.state = folder / "state"
        self.stubs.mkdir()
        stub = self.stubs / "stub"
        stub.write_text(STUB)
        stub.chmod(0o755)
        names = {*BY_PROGRAM, *SERVERS, *CLIENTS, *KERNEL, *BUILDS, *SYSTEM_CONFIG, *_OTHERS} - _REAL
        for name in names:
            (self.stubs / name).symlink_to("stub")

    def run(self, *scripts: str, task: int) -> Outcome:
        """Run scripts one after the other as the launcher does; the last `task` of them know the task."""
        self._fresh()
        exports: dict[str, str | None] = {}
        status, output = 0, ""
        for number, script in enumerate(scripts):
            in_task = number >= len(scripts) - task
            self._workspace(there=in_task)
            done, exports = self._one(number, script, exports, in_task=in_task)
            status = done.returncode
            output += done.stdout
            if status:
                break
        self._workspace(there=True)
        return Outcome(files=self._files(), exports=exports, status=status, output=output)

    def moved(self, script: str) -> str:
        """A script with its absolute paths below the root."""
        return _ABSOLUTE.sub(f"{self.root}/", script)

    def _fresh(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir()
        for name in _FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            (self.root / name).write_text(f"# {name}\n")
        for name in _SHELL_FILES:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('case ":$PATH:" in *":$HOME/.x:"*) ;; *) export PATH="$HOME/.x:$PATH" ;; esac\n')
        (self.root / "opt/conda/bin").mkdir(parents=True)
        (self.root / "opt/conda/bin/conda").symlink_to(self.stubs / "stub")
        (self.root / "home/notes.txt").write_text("notes\n")
        (self.root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")

    def _workspace(self, *, there: bool) -> None:
        # While an image is built nothing is mounted there.
        shown, hidden = self.root / "workspace", self.state / "workspace"
        if there and hidden.exists():
            hidden.rename(shown)
        elif not there and shown.exists():
            shown.rename(hidden)

    def _one(
        self, number: int, script: str, exports: Mapping[str, str | None], *, in_task: bool
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, str | None]]:
        environment = {
            "HOME": str(self.root / "home"),
            "PATH": f"{self.stubs}:/usr/bin:/bin",
            "BOX": str(self.root),
            "USER": "worker",
            "LANG": "C.UTF-8",
            "AGENTS_RUNNER": "1",
        }
        if in_task:
            environment |= {
                "AGENTS_RUNNER_TASK_ID": "t-1",
                "AGENTS_RUNNER_ENVIRONMENT": "env",
                "TASK_ID": "t-1",
                **dict.fromkeys(_TOKENS, "s3cret-value"),
            }
        environment["AGENTS_RUNNER_WORKSPACE"] = str(self.root / "workspace")
        for name, value in exports.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        path = self.state / f"script-{number}"
        path.write_text(self.moved(script))
        launcher = Path(str(files("agents_runner.launcher")))
        environment["BASH_ENV"] = str(launcher / "prelude.bash")
        environment["AGENTS_RUNNER_DUMP"] = str(self.state / str(number))
        done = subprocess.run(
            ["bash", str(path)],
            cwd=environment["HOME"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        after = Path(environment["AGENTS_RUNNER_DUMP"] + ".after")
        before = Path(environment["AGENTS_RUNNER_DUMP"] + ".before")
        left = parse_exports(after.read_bytes()) if after.exists() else {}
        known = set(parse_exports(before.read_bytes())) if before.exists() else set()
        gone: dict[str, str | None] = dict.fromkeys(known - left.keys())
        return done, {**left, **gone}

    def _files(self) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for folder, folders, names in os.walk(self.root):
            for name in [*folders, *names]:
                path = Path(folder) / name
                key = str(path.relative_to(self.root))
                if path.is_symlink():
                    found[key] = (0, f"-> {path.readlink()}")
                elif path.is_dir():
                    found[key] = (path.stat().st_mode & 0o7777, "folder")
                else:
                    found[key] = (path.stat().st_mode & 0o7777, path.read_text(errors="replace"))
        return found
