"""M3: a mount that gives too much away is refused; `--allow-mount` lets that one source pass, by its real path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli, Done


@pytest.fixture
def cli(ar_home: Path, tmp_path: Path) -> Cli:
    """The command line of a person whose home is a folder of the test."""
    return Cli(home=ar_home, env={"HOME": str(tmp_path / "person")})


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "person" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "id").write_text("a key\n")
    return folder


def code(done: Done) -> tuple[int, str]:
    return done.code, done.json["error"]["field"]


def test_m3_an_allowed_source_is_mounted_and_no_other(cli: Cli, keys: Path, mini_base: str, tmp_path: Path) -> None:
    other = tmp_path / "person" / ".aws"
    other.mkdir()
    base = ("--set", f"base_image={mini_base}", "--set", "workspace=none", "--set", "agent=shell")
    create = ("env", "create", "test", *base, "--set", f"mounts={keys}:/keys:ro")
    refused = cli(*create, "--json", check=False)
    assert code(refused) == (1, "mounts")
    assert f"--allow-mount {keys}" in refused.json["error"]["hint"]
    assert code(cli(*create, "--allow-mount", str(other), "--json", check=False)) == (1, "mounts")
    assert cli("env", "list", "--json").json == []
    cli(*create, "--allow-mount", str(keys))
    assert cli("env", "show", "test", "--json").json["allow_mounts"] == [str(keys)]
    assert cli("run", "test", "cat /keys/id; touch /keys/new || echo read-only", "--json").log[0] == "a key"
    assert [one.name for one in keys.iterdir()] == ["id"]
    edit = ("env", "edit", "test", "--set", f"mounts={other}:/other")
    assert code(cli(*edit, "--json", check=False)) == (1, "mounts")
    cli(*edit, "--allow-mount", str(other))
    assert cli("env", "show", "test", "--json").json["allow_mounts"] == [str(keys), str(other)]


def test_m3_what_is_allowed_is_the_folder_and_not_the_link_to_it(
    cli: Cli, keys: Path, mini_base: str, tmp_path: Path
) -> None:
    """A link that leads elsewhere later is refused at the start."""
    link, other = tmp_path / "link", tmp_path / "person" / ".gnupg"
    other.mkdir()
    link.symlink_to(keys)
    base = ("--set", f"base_image={mini_base}", "--set", "workspace=none", "--set", "agent=shell")
    cli("env", "create", "test", *base, "--set", f"mounts={link}:/keys:ro", "--allow-mount", str(link))
    assert cli("env", "show", "test", "--json").json["allow_mounts"] == [str(keys)]
    assert cli("run", "test", "cat /keys/id", "--json").log == ["a key"]
    link.unlink()
    link.symlink_to(other)
    done = cli("run", "test", "ls /keys", "--json", check=False)
    assert code(done) == (1, "mounts")
