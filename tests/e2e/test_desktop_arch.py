"""The desktop on an Arch-like base: a real pacman and a local repository, with and without yay and sudo.

The repository's packages carry programs that start the Debian ones, which the base image hides in a folder: the
install is pacman's own work, and the screen that comes of it is real.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.desktops import Desk, docker

HIDE = r"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends pacman-package-manager makepkg libarchive-tools zstd sudo
mkdir -p /opt/real /opt/repo /opt/aur /opt/make
package() { # NAME REPOSITORY: packs /opt/make/NAME
    folder=/opt/make/$1
    mkdir -p "$folder"
    printf '%s\n' "pkgname = $1" "pkgdesc = $1" 'pkgver = 1-1' 'arch = any' 'size = 1' >"$folder/.PKGINFO"
    (cd "$folder" && bsdtar -cf - .PKGINFO $(ls) | zstd -q -o "/opt/$2/$1-1-1-any.pkg.tar.zst")
}
while read -r name programs; do
    mkdir -p "/opt/make/$name/usr/bin" "/opt/make/$name/usr/share/arch-doc"
    echo "$name" >"/opt/make/$name/usr/share/arch-doc/$name"
    for program in $programs; do
        mv "/usr/bin/$program" "/opt/real/$program"
        printf '#!/bin/sh\nexec /opt/real/%s "$@"\n' "$program" >"/opt/make/$name/usr/bin/$program"
        chmod 755 "/opt/make/$name/usr/bin/$program"
    done
    package "$name" repo
done <<'END'
tigervnc Xvnc
fluxbox fluxbox
xterm xterm
xdotool xdotool
wmctrl wmctrl
imagemagick import
socat socat
ttf-dejavu
END
mkdir -p /opt/make/novnc/usr/share/webapps /opt/make/websockify/usr/share/websockify
mv /usr/share/novnc /opt/make/novnc/usr/share/webapps/novnc
package novnc aur
mv /usr/bin/websockify /opt/make/websockify/usr/share/websockify/
package websockify aur
repo-add -q /opt/repo/here.db.tar.gz /opt/repo/*.pkg.tar.zst
cat >/etc/pacman.conf <<'END'
[options]
Architecture = auto
SigLevel = Never
[here]
Server = file:///opt/repo
END
printf 'ID=arch\nNAME="Arch Linux"\n' >/etc/os-release
rm /usr/bin/apt-get
rm -rf /opt/make /var/lib/apt/lists
useradd -m -s /bin/bash person
"""
SUDO = "echo 'person ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/person; chmod 440 /etc/sudoers.d/person\n"
NO_SUDO = "rm /usr/bin/sudo\n"
# As the real one: not as root; what is in no repository it has from elsewhere.
YAY = r"""cat >/usr/bin/yay <<'END'
#!/bin/bash
[ "$(id -u)" != 0 ] || { echo 'yay: not as root' >&2; exit 1; }
echo "yay $*" | sudo tee -a /opt/yay.log >/dev/null
names=() options=() skip=
for word; do
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in
        --answer*) skip=yes ;;
        -*) options+=("$word") ;;
        *) names+=("$word") ;;
    esac
done
for name in "${names[@]}"; do
    if [ -e "/opt/aur/$name-1-1-any.pkg.tar.zst" ]; then
        exec sudo pacman --noconfirm -U "/opt/aur/$name-1-1-any.pkg.tar.zst"
    fi
done
exec sudo pacman "${options[@]}" "${names[@]}"
END
chmod 755 /usr/bin/yay
"""
LOOK = (
    "wmctrl -m | head -n 1; xdotool getdisplaygeometry; pacman -Q | sort; "
    "ls -d /usr/share/webapps/novnc /opt/agents-runner/novnc 2>/dev/null; true"
)
NAMES = ("fluxbox", "imagemagick", "socat", "tigervnc", "ttf-dejavu", "wmctrl", "xdotool", "xterm")
PACKAGES = [f"{name} 1-1" for name in NAMES]


@pytest.fixture(scope="module")
def arch(ready_base: str) -> Iterator[str]:
    ref = "agents-runner-test-arch:base"
    made = docker("create", "--label", "agents-runner.test=arch", ready_base, "bash", "-c", HIDE).strip()
    try:
        done = subprocess.run(["docker", "start", "-a", made], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        docker("commit", "-c", 'CMD ["/bin/bash"]', made, ref)
    finally:
        docker("rm", "-f", made)
    yield ref
    docker("rmi", "--no-prune", ref)


@pytest.fixture
def variant(arch: str, person_desk: Desk, request: pytest.FixtureRequest) -> Iterator[str]:
    """The base with a user and programs as the test wants them: (name, script, user)."""
    name, script, user = request.param
    ref = f"agents-runner-test-arch:{name}"
    made = docker("create", "--label", "agents-runner.test=arch", arch, "bash", "-c", f"set -e\n{script}").strip()
    try:
        docker("start", "-a", made)
        docker("commit", "-c", f"USER {user}", "-c", 'CMD ["/bin/bash"]', made, ref)
    finally:
        docker("rm", "-f", made)
    yield ref
    for name in person_desk.made:
        person_desk.remove_layers(name)
    subprocess.run(["docker", "rmi", "--no-prune", ref], capture_output=True, check=False)


@pytest.mark.parametrize(
    "variant",
    [("root", "true\n", "root"), ("root-yay", YAY, "root"), ("sudo", SUDO, "person")],
    indirect=True,
    ids=["root", "root-with-yay", "user-with-sudo"],
)
def test_pacman_installs_it_and_novnc_is_fetched(person_desk: Desk, variant: str) -> None:
    name = person_desk.environment(variant.replace(":", "-"), base_image=variant)
    done = person_desk.cli("run", name, LOOK, "--json")
    assert done.phase("build.desktop")["cache"] == "built"
    assert any(line.startswith("desktop: installing on arch (missing: Xvnc fluxbox") for line in done.log)
    assert any("no package has noVNC here: fetching" in line for line in done.log)
    assert done.log[-11:] == ["Name: Fluxbox", "1280 800", *PACKAGES, "/opt/agents-runner/novnc"]
    again = person_desk.cli("run", name, "true", "--json")
    assert again.phase("build.desktop")["cache"] == "hit"


@pytest.mark.parametrize("variant", [("yay", SUDO + YAY, "person")], indirect=True)
@pytest.mark.parametrize("cached", ["true", "false"], ids=["layer", "at-start"])
def test_yay_is_used_where_it_is_there(person_desk: Desk, variant: str, cached: str) -> None:
    name = person_desk.environment(f"yay-{cached}", base_image=variant, cache_desktop_build=cached)
    done = person_desk.cli("run", name, LOOK + "; cat /opt/yay.log", "--json")
    assert done.phase("build.desktop" if cached == "true" else "desktop.install")["state"] == "finished"
    at = done.log.index("Name: Fluxbox")
    installed = sorted([*PACKAGES, "novnc 1-1", "websockify 1-1"])
    assert done.log[at + 1 : at + 13] == ["1280 800", *installed, "/usr/share/webapps/novnc"]
    calls = [line for line in done.log if line.startswith("yay ")]
    assert [call.split("-S", 1)[1] for call in calls] == [
        "yu --needed tigervnc fluxbox xterm xdotool wmctrl imagemagick socat ttf-dejavu",
        " --needed novnc",
        " --needed websockify",
    ]


@pytest.mark.parametrize(
    ("variant", "why"),
    [(("no-sudo", NO_SUDO, "person"), "no sudo"), (("password", "true\n", "person"), "without a password")],
    indirect=["variant"],
    ids=["no-sudo", "sudo-with-a-password"],
)
def test_a_user_who_may_not_install_goes_on_without(person_desk: Desk, variant: str, why: str) -> None:
    name = person_desk.environment(variant.replace(":", "-"), base_image=variant, cached_preflight_script="")
    done = person_desk.cli("run", name, 'echo "screen: ${DISPLAY-none}"', "--json")
    assert done.result["state"] == "succeeded"
    assert any(why in line for line in done.log)
    notices = [one["message"] for one in done.events if one["event"] == "notice"]
    assert len(notices) == 1
    assert "neither root nor has sudo without a password" in notices[0]
    assert done.log[-1] == "screen: none"
