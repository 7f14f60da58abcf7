"""Which places of this machine a container may see: what gives it away is refused, what was typed passes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput, WorkspaceError
from agents_runner.core.host_paths import KEY_PLACES, Machine, danger
from agents_runner.core.mounts import Mount, parse_mount
from agents_runner.workspace.folders import MountRules, check_unmoved, resolve_mount, resolve_workspace

ME = Machine(home="/home/me")
ROOT = Machine(home="/root")
SERVICE = Machine(home="/var/lib/worker")
SYSTEM = (
    *(
        "/etc",
        "/etc/shadow",
        "/etc/passwd",
        "/etc/cron.d",
        "/etc/sudoers.d",
        "/etc/ssl",
        "/etc/ssl/private",
        "/etc/x/y",
    ),
    *("/usr", "/usr/bin", "/usr/local", "/usr/local/bin", "/usr/lib/systemd", "/usr/share", "/usr/share/zoneinfos"),
    *("/bin", "/bin/sh", "/sbin", "/lib", "/lib/x86_64-linux-gnu", "/lib64", "/lib32", "/boot", "/boot/grub", "/efi"),
    *("/run", "/run/containerd", "/run/user/1000", "/run/secrets", "/var/run/dbus", "/var/lib", "/var/lib/docker"),
    *(
        "/var/lib/postgresql",
        "/var/spool/cron",
        "/proc",
        "/proc/1/root",
        "/sys/fs/cgroup",
        "/dev",
        "/dev/sda",
        "/root",
    ),
    *("/root/.ssh", "/root/project", "/", "/home", "/opt", "/srv", "/mnt", "/media", "/tmp", "/var", "/var/tmp"),
)
HOMES = (
    *("/home/me", "/home/me/.config", "/home/me/.local", "/home/me/.local/share", "/home/me/.cargo", "/home/me/.m2"),
    *("/home/me/.ssh/id_ed25519", "/home/me/.config/gcloud/a/b", "/home/other", "/home/other/.ssh", "/Users/x/.aws"),
    *("/home/other/.config", "/home/me/.docker/run/docker.sock", "/home/me/.local/share/keyrings/login.keyring"),
)
STARTS = (
    ".bashrc",
    ".profile",
    ".config/systemd/user",
    ".config/autostart",
    ".local/bin",
    "bin",
    ".gitconfig",
    ".zshrc",
)
SOCKETS = (
    *(
        "/srv/docker.sock",
        "/srv/podman.sock",
        "/tmp/x/containerd.sock",
        "/home/me/p/DOCKER.SOCK",
        "/srv/buildkitd.sock",
    ),
    *("/srv/crio.sock", "/srv/cri-dockerd.sock"),
)
FREE = (
    *(
        "/home/me/project",
        "/home/me/project/.ssh-notes",
        "/home/me/projects/.docker",
        "/home/me/.cache",
        "/home/me/.sshx",
    ),
    *(
        "/home/me/.cargo/registry",
        "/home/me/.m2/repository",
        "/home/me/.config/project",
        "/home/other/project",
        "/etcetera",
    ),
    *(
        "/srv/data",
        "/opt/tool",
        "/mnt/disk/project",
        "/media/me/disk",
        "/tmp/x",
        "/var/www",
        "/var/cache/x",
        "/usrx",
        "/data",
    ),
)
PUBLIC = (
    *("/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/usr/share/ca-certificates/mozilla/x.crt"),
    *("/usr/share/zoneinfo/Europe/Berlin", "/etc/localtime", "/etc/timezone", "/etc/pki/ca-trust/extracted/pem/x"),
)


@pytest.mark.parametrize("path", [*SYSTEM, *HOMES, *SOCKETS, *(f"/home/me/{place}" for place in KEY_PLACES)])
def test_m3_places_that_give_the_machine_away(path: str) -> None:
    for read_only in (True, False):
        assert danger(path, ME, read_only=read_only)


@pytest.mark.parametrize("path", FREE)
def test_m3_places_that_do_not(path: str) -> None:
    assert danger(path, ME, read_only=False) == ""


@pytest.mark.parametrize("path", PUBLIC)
def test_m3_certificates_and_time_zones_are_read_only(path: str) -> None:
    assert danger(path, ME, read_only=True) == ""
    assert danger(path, ME, read_only=False)


@pytest.mark.parametrize("place", STARTS)
def test_m3_what_runs_by_itself_is_not_written(place: str) -> None:
    assert danger(f"/home/me/{place}", ME, read_only=False)
    assert danger(f"/home/me/{place}", ME, read_only=True) == ""


def test_m3_a_home_in_a_folder_of_the_system_is_a_home() -> None:
    for machine in (ROOT, SERVICE):
        assert danger(f"{machine.home}/project", machine, read_only=False) == ""
        for place in (".ssh", ".aws/credentials", ".config", ".local/share/keyrings", ".bashrc"):
            assert danger(f"{machine.home}/{place}", machine, read_only=False)
        assert danger(machine.home, machine, read_only=True)
    assert danger("/var/lib/docker", SERVICE, read_only=True)
    assert danger("/var/lib", SERVICE, read_only=True)
    assert danger("/etc/cron.d", Machine(home="/etc"), read_only=True)
    assert danger("/usr/bin", Machine(home="/"), read_only=True)


def test_m3_where_a_program_listens_and_what_holds_it() -> None:
    machine = Machine(home="/home/me", sockets=("/srv/engine/run/engine.sock", "/tmp/ssh-x/agent.1"))
    for path in ("/srv/engine/run/engine.sock", "/srv/engine/run", "/srv/engine", "/tmp/ssh-x"):
        assert danger(path, machine, read_only=True)
    assert danger("/srv/other", machine, read_only=True) == ""
    assert danger("/srv/other", ME, read_only=True, holds=["a", "docker.sock"])


# -- on this machine ----------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "me"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "engine" / "x" / "docker.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        yield path


def rules(state: Path, *allowed: str) -> MountRules:
    return MountRules(state_dir=state, allowed=allowed)


def resolve(text: str, allowed: MountRules) -> str:
    return resolve_mount(parse_mount(text), allowed).source


def test_m3_links_are_followed_before_the_look(home: Path, tmp_path: Path) -> None:
    (home / ".ssh").mkdir()
    for name, target in {"a": "/", "b": "/etc", "c": home / ".ssh", "d": home, "e": tmp_path / "a"}.items():
        (tmp_path / name).symlink_to(target)
        with pytest.raises(InvalidInput) as error:
            resolve(f"{tmp_path}/{name}:/data:ro", rules(tmp_path / "state"))
        assert error.value.field == "mounts"
        assert os.path.realpath(target) in error.value.message
    with pytest.raises(InvalidInput):
        resolve("~/.ssh:/data", rules(tmp_path / "state"))
    with pytest.raises(InvalidInput):
        resolve(f"{tmp_path}/home/me/x/../.ssh:/data", rules(tmp_path / "state"))


def test_m3_a_refused_source_passes_once_it_was_typed_whole(home: Path, tmp_path: Path) -> None:
    keys = home / ".ssh"
    keys.mkdir()
    (keys / "id").write_text("")
    state = tmp_path / "state"
    for typed in (str(keys), "~/.ssh", f" {keys}/ "):
        assert resolve(f"{keys}:/data", rules(state, "/other", typed)) == str(keys)
    (tmp_path / "link").symlink_to(keys)
    for typed in (str(home), str(keys / "id"), f"{tmp_path}/link", "", "/"):
        with pytest.raises(InvalidInput) as error:
            resolve(f"{tmp_path}/link:/data", rules(state, typed))
        assert f"--allow-mount {keys}" in error.value.hint


def test_m3_the_same_holds_for_a_live_workspace(home: Path, tmp_path: Path) -> None:
    (home / ".config").mkdir()
    with pytest.raises(InvalidInput) as error:
        resolve_workspace("~/.config", rules(tmp_path / "state"))
    assert error.value.field == "workspace"
    assert resolve_workspace("~/.config", rules(tmp_path / "state", "~/.config")) == str(home / ".config")
    (home / "project").mkdir()
    assert resolve_workspace("~/project", rules(tmp_path / "state")) == str(home / "project")


def test_m3_our_own_files_pass_for_nobody(home: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for name in ("secrets", "workspaces/1"):
        (state / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(state / "secrets")
    for path in (state, state / "secrets", tmp_path / "link"):
        with pytest.raises(InvalidInput, match="own files"):
            resolve(f"{path}:/data:ro", rules(state, str(path), str(state), str(state / "secrets")))
    with pytest.raises(InvalidInput, match="own files are below"):
        resolve(f"{state}:/data:ro", rules(state / "deep" / "er"))
    assert resolve(f"{state}/workspaces/1:/data", rules(state)) == f"{state}/workspaces/1"


def test_m3_an_engines_socket_and_what_leads_to_it(
    home: Path, tmp_path: Path, listening: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    (tmp_path / "link").symlink_to(listening)
    (tmp_path / "folder").symlink_to(listening.parent)
    for path in (listening, listening.parent, listening.parent.parent, tmp_path / "link", tmp_path / "folder"):
        with pytest.raises(InvalidInput, match="engine"):
            resolve(f"{path}:/data:ro", rules(state))
    assert resolve(f"{listening}:/engine.sock", rules(state, str(listening))) == str(listening)
    other = tmp_path / "other"
    other.mkdir()
    assert resolve(f"{other}:/data", rules(state)) == str(other)
    for name in ("DOCKER_HOST", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, f"{'unix://' * (name == 'DOCKER_HOST')}{other}/sub/e.sock")
        with pytest.raises(InvalidInput, match="takes commands"):
            resolve(f"{other}:/data", rules(state))
        monkeypatch.delenv(name)


def test_m3_what_is_neither_a_folder_nor_a_file(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither"):
        resolve(f"{tmp_path}/pipe:/data", rules(tmp_path / "state", f"{tmp_path}/pipe"))
    with pytest.raises(InvalidInput, match="No such file"):
        resolve(f"{tmp_path}/nothing:/data", rules(tmp_path / "state"))


def test_m3_a_source_that_became_a_link_is_not_mounted(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    mount = Mount(source=os.path.realpath(folder), target="/data")
    check_unmoved(mount)
    folder.rmdir()
    folder.symlink_to("/etc")
    with pytest.raises(WorkspaceError, match="leads to another place"):
        check_unmoved(mount)
