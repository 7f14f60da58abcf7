"""Places of this machine that give it away when a container sees them: pure rules over real paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SYSTEM = (
    *(
        "/etc",
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/boot",
        "/efi",
        "/proc",
        "/sys",
        "/dev",
    ),
    *("/run", "/var/run", "/var/lib", "/var/spool", "/root"),
)
"""Folders of which nothing is mounted: programs, configuration, other programs' data, root's home."""
_WHOLE = ("/", "/home", "/Users", "/opt", "/srv", "/mnt", "/media", "/tmp", "/var", "/var/home", "/var/tmp")
"""Folders that are not mounted as a whole; what is below them may be anybody's project."""
PUBLIC = (
    *("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates"),
    *("/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/zoneinfo"),
    *("/etc/localtime", "/etc/timezone"),
)
"""Certificates and time zones, without any secret: they may be mounted read-only, and at these places too."""
_HOMES = ("/home", "/Users", "/var/home")
KEY_PLACES = (
    *(".ssh", ".gnupg", ".pki", ".aws", ".azure", ".kube", ".docker", ".oci", ".netrc", ".git-credentials"),
    *(".config/gcloud", ".config/gh", ".config/hub", ".config/glab-cli", ".config/github-copilot", ".config/doctl"),
    *(
        ".config/op",
        ".config/rclone",
        ".config/sops",
        ".config/containers",
        ".config/helm",
        ".config/git/credentials",
    ),
    *(".codex", ".claude", ".claude.json", ".config/claude", ".gemini", ".copilot", ".cursor", ".npmrc", ".pypirc"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".m2/settings.xml", ".terraform.d"),
    *(".password-store", ".local/share/keyrings", ".local/share/kwalletd", ".local/share/containers"),
    *(".colima", ".lima", ".orbstack", ".rd", ".minikube"),
    *(".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware"),
    *(".config/Bitwarden", ".config/keepassxc", ".config/1Password", ".pgpass", ".my.cnf", ".vault-token"),
)
"""Below a home: keys, passwords and logins."""
_RUN_BY_THEMSELVES = (
    *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".zshrc", ".zshenv"),
    *(".zprofile", ".zlogin", ".xprofile", ".xsession", ".xsessionrc", ".xinitrc", ".config/fish", ".gitconfig"),
    *(".config/git", ".config/autostart", ".config/systemd", ".config/environment.d", ".local/share/systemd"),
    *(".local/share/applications", ".local/bin", "bin", ".vimrc", ".vim", ".config/nvim", ".emacs", ".emacs.d"),
)
"""Below a home: what runs on this machine without being asked; who may write it may run anything there."""
_SOCKET_NAMES = (
    *("docker.sock", "podman.sock", "containerd.sock", "buildkitd.sock", "crio.sock", "cri-dockerd.sock"),
    *("dockershim.sock", "docker-raw.sock", "nerdctl.sock"),
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the rules need to know of this machine; all paths absolute and real.

    `homes` are the person's own; `sockets` are those that the engine, or a program with keys, is known to listen on.
    """

    home: str
    sockets: tuple[str, ...] = ()


def is_below(path: str, top: str) -> bool:
    """True for the place itself and all that is in it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def is_engine_socket(name: str) -> bool:
    """True for the name of a socket that a container engine listens on."""
    return name.rpartition("/")[2].lower() in _SOCKET_NAMES


def danger(real: str, machine: Machine, *, read_only: bool, holds: Iterable[str] = ()) -> str:
    """Why this place would give the machine away, as the end of a sentence; "" where it would not.

    `real` is a path without links. `holds`: names of what is in it, where it is a folder.
    """
    if is_engine_socket(real) or any(map(is_engine_socket, holds)):
        return "it gives the container the whole engine"
    if any(is_below(socket, real) for socket in machine.sockets):
        return "a program of this machine takes commands there"
    if real == machine.home or is_below(machine.home, real):
        return "it holds your whole home folder with its keys and passwords"
    home = _home_of(real, machine.home)
    if home:
        return _danger_in_a_home(real, home, read_only=read_only)
    if real in _WHOLE or any(is_below(real, top) for top in _SYSTEM):
        public = read_only and any(is_below(real, place) for place in PUBLIC)
        return "" if public else "it is a part of this machine's system"
    return ""


def _home_of(real: str, own: str) -> str:
    """The home folder in which a place is; "" where it is in none.

    The person's own may be anywhere, below /root or /var/lib too, as long as it is no folder of the system itself.
    """
    if is_below(real, own) and own not in _WHOLE and own not in set(_SYSTEM) - {"/root"}:
        return own
    for top in _HOMES:
        name = real.removeprefix(top + "/").partition("/")[0]
        if name and real.startswith(top + "/"):
            return f"{top}/{name}"
    return ""


def _danger_in_a_home(real: str, home: str, *, read_only: bool) -> str:
    if real == home:
        return "it is a whole home folder with its keys and passwords"
    if any(is_below(real, place) or is_below(place, real) for place in _places(home, KEY_PLACES)):
        return "keys, passwords or logins are kept there"
    if not read_only and any(
        is_below(real, place) or is_below(place, real) for place in _places(home, _RUN_BY_THEMSELVES)
    ):
        return "what is there runs on this machine by itself"
    return ""


def _places(home: str, names: Iterable[str]) -> Iterable[str]:
    return (f"{home.rstrip('/')}/{name}" for name in names)
