"""Package caches: a rebuild downloads nothing, and the image is the same as one built without.

apt, pacman and pip are the real ones, against mirrors on this machine that count what they send.
"""

from __future__ import annotations

import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core import container as labels
from agents_runner.engine.docker_engine import DockerEngine
from tests.support.cli import Cli
from tests.support.mirror import Mirror

BASE = "agents-runner-test-managers:1"
MAKE_BASE = r"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends pacman-package-manager makepkg libarchive-tools zstd \
    python3-pip dpkg-dev
mkdir -p /usr/share/libalpm/hooks /opt/out/pacman /opt/out/apt
mkdir -p /opt/make/usr/share/demo /opt/deb/DEBIAN /opt/deb/usr/share/demo-deb
head -c 300000 /dev/urandom >/opt/make/usr/share/demo/data
printf '%s\n' 'pkgname = demo' 'pkgdesc = demo' 'pkgver = 1-1' 'arch = any' 'size = 300000' >/opt/make/.PKGINFO
cd /opt/make
bsdtar -cf - .PKGINFO usr | zstd -q -o /opt/out/pacman/demo-1-1-any.pkg.tar.zst
repo-add -q /opt/out/pacman/shop.db.tar.gz /opt/out/pacman/demo-1-1-any.pkg.tar.zst
cp /opt/make/usr/share/demo/data /opt/deb/usr/share/demo-deb/data
printf '%s\n' 'Package: demo-deb' 'Version: 1' 'Architecture: all' 'Maintainer: test <test@example.com>' \
    'Description: demo' >/opt/deb/DEBIAN/control
dpkg-deb --build /opt/deb /opt/out/apt/demo-deb_1_all.deb
cd /opt/out/apt
dpkg-scanpackages . >Packages 2>/dev/null
# A base as they are published: what its own making downloaded is not in it.
apt-get clean
rm -rf /opt/make /opt/deb /var/lib/apt/lists/* /etc/apt/sources.list /etc/apt/sources.list.d/*
"""


def docker(*args: str) -> str:
    return subprocess.run(["docker", *args], capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="session")
def managers(engine: DockerEngine, debian_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A base with three package managers, and a mirror with a package for each."""
    folder = tmp_path_factory.mktemp("mirror")
    box = docker("create", "--label", "agents-runner.test=managers", debian_base, "bash", "-c", MAKE_BASE).strip()
    try:
        subprocess.run(["docker", "start", "-a", box], check=True, capture_output=True)
        docker("commit", "-c", 'CMD ["/bin/bash"]', box, BASE)
        docker("cp", f"{box}:/opt/out/.", str(folder))
    finally:
        docker("rm", "-f", box)
    simple = folder / "pypi" / "demo"
    simple.mkdir(parents=True)
    info = "demo-1.dist-info"
    with zipfile.ZipFile(simple / "demo-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo.py", "# " + "x" * 200_000)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    (simple / "index.html").write_text('<a href="demo-1-py3-none-any.whl">demo-1-py3-none-any.whl</a>')
    mirror = Mirror(folder)
    try:
        yield mirror
    finally:
        mirror.close()
        docker("rmi", BASE)


@pytest.fixture
def clean(cli: Cli) -> Iterator[None]:
    yield
    cli("clean")


def scripts(mirror: Mirror) -> str:
    conf = f"[options]\\nArchitecture = auto\\nSigLevel = Never\\n[shop]\\nServer = {mirror.url}/pacman\\n"
    return (
        "set -eu\n"
        "# step: apt\n"
        f"echo 'deb [trusted=yes] {mirror.url}/apt ./' >/etc/apt/sources.list\n"
        "apt-get -q update\napt-get -q install -y demo-deb\napt-get clean\n"
        f"printf '{conf}' >/etc/pacman.conf\n"
        "# step: pacman\n"
        "pacman -Sy --noconfirm demo\nyes | pacman -Scc\n"
        "# step: pip\n"
        f"pip install -q --break-system-packages --trusted-host {mirror.host} -i {mirror.url}/pypi demo\n"
    )


def make(cli: Cli, folder: Path, script: str, *, name: str = "cached", base: str = BASE, caches: str = "true") -> str:
    path = folder / f"{name}.sh"
    path.write_text(script)
    fields = {"base_image": base, "agent": "shell", "pull": "never", "cache_container_build": "true"}
    fields |= {"package_caches": caches, "cached_preflight_script": f"@{path}"}
    cli("env", "create", name, *(word for key, value in fields.items() for word in ("--set", f"{key}={value}")))
    return name


# pip's own store of downloads is what the volume takes the place of: without one it stays in the image.
LOOK = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \\) -prune -o"
    " \\( -type f -o -type l \\) -printf '%p %s %l\\n' | grep -v -e '\\.pyc ' -e /var/log/ -e /var/cache/ldconfig"
    " -e /root/.cache/pip/ -e /etc/hostname -e /etc/hosts -e /etc/resolv.conf | LC_ALL=C sort"
)


def files(image: str) -> set[str]:
    return set(docker("run", "--rm", image, "bash", "-c", LOOK).splitlines())


def volumes(cli: Cli, name: str) -> list[dict[str, object]]:
    found = cli("images", "--json").json
    return [one for one in found if one["kind"] == "packages" and one["environments"] == [name]]


@pytest.mark.usefixtures("clean")
def test_a_rebuild_downloads_nothing_and_makes_the_same_image(managers: Mirror, cli: Cli, tmp_path: Path) -> None:
    name = make(cli, tmp_path, scripts(managers))
    managers.forget()
    image = cli("build", name, "--json").json["image"]
    packages = {"/apt/./demo-deb_1_all.deb", "/pacman/demo-1-1-any.pkg.tar.zst", "/pypi/demo/demo-1-py3-none-any.whl"}
    assert packages <= set(managers.sent), managers.sent
    first = files(image)
    managers.forget()
    again = cli("build", name, "--force", "--json").json
    assert {one["result"] for one in again["layers"]} == {"built"}
    assert not packages & set(managers.asked), managers.asked
    assert sum(managers.sent.values()) < 2000, managers.sent  # pacman's database has no conditional request
    rebuilt = files(again["image"])
    plain = make(cli, tmp_path, scripts(managers), name="plain", caches="false")
    cli("clean")
    managers.forget()
    without = files(cli("build", plain, "--json").json["image"])
    assert packages <= set(managers.sent)
    assert first == rebuilt == without
    assert cli("plan", name, "--json").json["layers"] == cli("plan", plain, "--json").json["layers"]


@pytest.mark.usefixtures("clean")
def test_nothing_of_it_is_in_the_image(managers: Mirror, cli: Cli, tmp_path: Path, engine: DockerEngine) -> None:
    name = make(cli, tmp_path, scripts(managers))
    image = cli("build", name, "--json").json["image"]
    found = docker("run", "--rm", image, "bash", "-c", "cat /etc/pacman.conf; find /run/agents-runner -type f; env")
    assert "agents-runner/caches" not in found
    assert not [path for path in files(image) if "agents-runner" in path]
    info = engine.find_image(image)
    assert info is not None
    assert not info.labels.get(labels.CONTAINER_CACHE)
    assert info.volumes == ()


@pytest.mark.usefixtures("clean")
def test_crates_that_were_used_are_in_the_layer_and_the_others_only_in_the_cache(
    mini_base: str, cli: Cli, tmp_path: Path
) -> None:
    """What cargo does with its folders, played by the shell."""
    script = (
        "dir=~/.cargo/registry\nmkdir -p $dir/src/index-1/used-1.0 $dir/cache/index-1\n"
        "[ -e $dir/cache/index-1/used-1.0.crate ] && echo again || echo first\n"
        "for one in used other; do echo data >$dir/cache/index-1/$one-1.0.crate; done\n"
        "echo npm $npm_config_cache pip $PIP_CACHE_DIR\n"
    )
    name = make(cli, tmp_path, script, base=mini_base)
    first = cli("build", name).out
    assert "first" in first.splitlines()
    assert "/caches/user-0/npm pip /run/agents-runner/caches/user-0/pip" in first
    assert "again" in cli("build", name, "--force").out.splitlines()
    look = "find ~/.cargo -type f -o -type l; ls -A ~"
    done = cli("run", name, look, "--json").log
    assert [line for line in done if "crate" in line] == ["/root/.cargo/registry/cache/index-1/used-1.0.crate"]
    assert ".cache" not in done


@pytest.mark.usefixtures("clean")
def test_two_builds_at_once_do_not_share_a_cache(
    managers: Mirror, cli: Cli, tmp_path: Path, engine: DockerEngine
) -> None:
    """The second one of the environment downloads by itself and says so; neither fails."""
    wait = "while [ ! -e /run/agents-runner/caches/go ]; do :; done\n"
    waits = scripts(managers).replace("# step: pacman\n", "# step: pacman\n" + wait)
    name = make(cli, tmp_path, waits)
    done: list[str] = []
    first = threading.Thread(target=lambda: done.append(cli("build", name).out))
    first.start()
    volume = ""
    while not volume:
        running = engine.list_containers({labels.CONTAINER_CACHE: ""}, running_only=True)
        volume = next((one.labels[labels.CONTAINER_CACHE] for one in running), "")
        assert first.is_alive() or volume
    other = tmp_path / "other.sh"
    other.write_text(scripts(managers) + "echo other\n")
    cli("env", "edit", name, "--set", f"cached_preflight_script=@{other}")
    second = cli("build", name).out
    assert "has this environment's package cache" in second
    preview = cli("clean", "--dry-run", "--json").json
    assert any(one["tag"] == volume and "used by container" in one["why"] for one in preview["kept"])
    docker("run", "--rm", "-v", f"{volume}:/caches", BASE, "touch", "/caches/go")
    first.join()
    assert len(done) == 1, "the first build succeeded as well"


def test_caches_are_listed_and_cleaned_beside_the_images_and_look_alikes_stay(
    mini_base: str, cli: Cli, tmp_path: Path
) -> None:
    name = make(cli, tmp_path, "head -c 2000000 /dev/zero >/run/agents-runner/caches/big\n", base=mini_base)
    cli("build", name)
    (shown,) = volumes(cli, name)
    tag = str(shown["tag"])
    assert shown["environments"] == [name]
    assert int(str(shown["size"])) >= 2_000_000
    alike = [f"{tag}-mine", "agents-runner-cache-mine"]
    for one in alike:
        label = f"{labels.VOLUME_KIND}=packages"
        docker("volume", "create", "--label", label, "--label", f"{labels.VOLUME_NAME}={tag}", one)
    try:
        unused = cli("clean", "--unused", "--dry-run", "--json").json
        assert {"tag": tag, "why": f"used by environment {name}"} in unused["kept"]
        assert tag not in cli("clean", "--older-than", "1", "--json").json["removed"]
        preview = cli("clean", "--dry-run", "--json").json
        done = cli("clean", "--json").json
        assert (done["removed"], done["freed_bytes"]) == (preview["removed"], preview["freed_bytes"])
        assert tag in done["removed"]
        assert done["freed_bytes"] >= 2_000_000
        assert volumes(cli, name) == []
        assert set(alike) <= set(docker("volume", "ls", "-q").split())
    finally:
        docker("volume", "rm", *alike)


def test_without_the_option_there_is_no_volume(mini_base: str, cli: Cli, tmp_path: Path) -> None:
    before = set(docker("volume", "ls", "-q").split())
    name = make(cli, tmp_path, "echo ${PIP_CACHE_DIR-none}; ls /run/agents-runner\n", base=mini_base, caches="false")
    assert "none" in cli("build", name).out.splitlines()
    assert set(docker("volume", "ls", "-q").split()) == before
    assert json.loads(cli("env", "show", name, "--json").out)["package_caches"] is False
    cli("clean")
