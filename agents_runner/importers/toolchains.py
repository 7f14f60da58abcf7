"""Shell lines that install languages and tools on a Debian or Ubuntu base, as root.

They are what set-up actions of workflows and features of dev containers stand for.

A version is taken only in a form that is known to mean one thing; for anything else the functions return None.
"""

from __future__ import annotations

import re

from agents_runner.importers.model import Block

BASICS = "basic tools"
"""Name of the step that `basics` makes."""
_BASICS = "build-essential ca-certificates curl git gnupg jq less openssh-client procps sudo unzip wget xz-utils zip"
_EXACT = re.compile(r"v?(\d+\.\d+\.\d+)\Z")
_MAJOR = re.compile(r"v?(\d+)(?:\.(?:x|\*|\d+(?:\.(?:x|\*))?))?\Z")
_PYTHON = re.compile(r"(3(?:\.\d{1,2}){0,2})(?:\.[x*])?\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")
_ARCH = "$(dpkg --print-architecture)"
_DEBIAN = re.compile(
    r"(?:docker\.io/|library/)*"
    r"(?:debian|ubuntu|buildpack-deps|node|python|ruby|golang|rust|openjdk|eclipse-temurin|php|perl|gcc|maven|gradle|"
    r"mcr\.microsoft\.com/(?:vscode/)?devcontainers/[a-z0-9-]+|mcr\.microsoft\.com/playwright(?:/python)?|"
    r"ghcr\.io/openai/codex-universal|cimg/[a-z0-9-]+|ghcr\.io/catthehacker/ubuntu)(?:[:@].*)?\Z"
)
_NOT_DEBIAN = re.compile(r"alpine|fedora|centos|rocky|ubi\d|windows|nanoserver|oracle|amazon|arch|suse")


def is_debian(image: str) -> bool:
    """True for images that are known to be a Debian or Ubuntu."""
    return bool(_DEBIAN.match(image)) and not _NOT_DEBIAN.search(image.lower())


def basics(extra: str = "") -> Block:
    """What every cloud machine has, and a bare base image lacks."""
    packages = " ".join(sorted({*_BASICS.split(), *extra.split()}))
    return _block(
        BASICS,
        "apt-get update",
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages}",
    )


def packages(name: str, wanted: list[str]) -> Block | None:
    """Debian packages by name, None if a word is none."""
    if not wanted or not all(_WORD.match(one) for one in wanted):
        return None
    return _block(
        name,
        "apt-get update",
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {' '.join(wanted)}",
    )


def node(version: str = "") -> Block | None:
    """`20`, `20.x`, `20.11` (the newest 20), `20.11.1`, `lts/*`, `latest`; nothing means the newest LTS."""
    version = version.strip().lower()
    exact = _EXACT.match(version)
    if exact:
        folder = f"node-v{exact[1]}-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')"
        url = f'"https://nodejs.org/dist/v{exact[1]}/{folder}.tar.xz"'
        return _block(f"node {exact[1]}", f"curl -fsSL {url} | tar -xJ -C /usr/local --strip-components=1")
    major = _MAJOR.match(version)
    channel = {"": "lts", "lts": "lts", "lts/*": "lts", "latest": "current", "node": "current", "current": "current"}
    which = major[1] if major else channel.get(version, "")
    if not which:
        return None
    return _block(
        f"node {which}",
        f"curl -fsSL https://deb.nodesource.com/setup_{which}.x | bash -",
        "DEBIAN_FRONTEND=noninteractive apt-get install -y nodejs",
    )


def uv(version: str = "") -> Block | None:
    """`0.4.0`, or nothing for the newest."""
    version = "" if version in {"latest", "*"} else version
    if version and not _EXACT.match(version):
        return None
    place = f"{version.removeprefix('v')}/" if version else ""
    return _block("uv", f"curl -LsSf https://astral.sh/uv/{place}install.sh | env UV_INSTALL_DIR=/usr/local/bin sh")


def python(version: str = "") -> Block | None:
    """`3.12`, `3.12.4`, `3.x`: in a virtual environment of its own that is first in PATH, so that pip works in it."""
    version = version.strip()
    match = _PYTHON.match("3" if version in {"", "latest", "os-provided", "3.x"} else version)
    install = uv()
    if match is None or install is None:
        return None
    return _block(
        f"python {match[1]}",
        install.text.rstrip("\n"),
        f"UV_PYTHON_INSTALL_DIR=/opt/python uv venv --seed --python {match[1]} /opt/venv",
        "chmod -R a+rwX /opt/venv",
        "export VIRTUAL_ENV=/opt/venv",
        'export PATH="/opt/venv/bin:$PATH"',
    )


def go(version: str = "") -> Block | None:
    """`1.22.5`, `1.22` and `1.22.x` (the newest of it), `stable`; nothing means stable."""
    version = version.strip().lower()
    if version in {"", "stable", "latest"}:
        found = "go_version=$(curl -fsSL 'https://go.dev/VERSION?m=text' | head -n 1)"
    elif _EXACT.match(version):
        found = f"go_version=go{version.removeprefix('v')}"
    elif re.match(r"1\.\d+(?:\.[x*])?\Z", version):
        minor = ".".join(version.split(".")[:2]).replace(".", "\\.")
        found = (
            "go_version=$(curl -fsSL 'https://go.dev/dl/?mode=json&include=all' | "
            f"grep -o '\"go{minor}\\(\\.[0-9]*\\)\\?\"' | head -n 1 | tr -d '\"')"
        )
    else:
        return None
    return _block(
        f"go {version or 'stable'}",
        found,
        f'curl -fsSL "https://go.dev/dl/$go_version.linux-{_ARCH}.tar.gz" | tar -xz -C /usr/local',
        'export PATH="$HOME/go/bin:/usr/local/go/bin:$PATH"',
    )


def java(version: str = "") -> Block | None:
    """`17`, `21`, `8`: Eclipse Temurin."""
    major = re.match(r"(?:1\.)?(\d{1,2})(?:[.+].*)?\Z", version.strip() or "21")
    if major is None:
        return None
    key = "/etc/apt/keyrings/adoptium.asc"
    home = "/usr/lib/jvm/temurin"
    return _block(
        f"java {major[1]}",
        "install -d -m 0755 /etc/apt/keyrings",
        f"curl -fsSL https://packages.adoptium.net/artifactory/api/gpg/key/public -o {key}",
        f'echo "deb [signed-by={key}] https://packages.adoptium.net/artifactory/deb '
        '$(. /etc/os-release && echo "$VERSION_CODENAME") main" > /etc/apt/sources.list.d/adoptium.list',
        "apt-get update",
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y temurin-{major[1]}-jdk",
        f'ln -sfn "/usr/lib/jvm/temurin-{major[1]}-jdk-{_ARCH}" {home}',
        f"export JAVA_HOME={home}",
    )


def ruby(version: str = "") -> Block | None:
    """`3.3`, `3.3.6`: built by ruby-build, which takes minutes once."""
    version = version.strip().removeprefix("ruby-")
    if not re.match(r"\d+\.\d+(?:\.\d+)?\Z", version):
        return None
    tool = "/opt/ruby-build/bin/ruby-build"
    exact = version
    if version.count(".") == 1:
        pattern = version.replace(".", "\\.")
        exact = f"\"$({tool} --definitions | grep -E '^{pattern}\\.[0-9]+$' | tail -n 1)\""
    return _block(
        f"ruby {version}",
        "apt-get update",
        "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "
        "build-essential git libffi-dev libssl-dev libyaml-dev zlib1g-dev",
        "git clone --depth 1 https://github.com/rbenv/ruby-build /opt/ruby-build",
        f"{tool} {exact} /usr/local",
    )


def rust(toolchain: str = "", components: list[str] | None = None, targets: list[str] | None = None) -> Block | None:
    """`stable`, `nightly`, `nightly-2024-05-01`, `1.78.0`; components and targets by name."""
    toolchain = toolchain.strip() or "stable"
    extra = [("-c", one) for one in components or []] + [("-t", one) for one in targets or []]
    if not _WORD.match(toolchain) or not all(_WORD.match(one) for _, one in extra):
        return None
    options = "".join(f" {flag} {one}" for flag, one in extra)
    return _block(
        f"rust {toolchain}",
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | "
        f"sh -s -- -y --profile minimal --default-toolchain {toolchain}{options}",
        'export PATH="$HOME/.cargo/bin:$PATH"',
    )


def bun(version: str = "") -> Block | None:
    """`1.1.20`, or nothing for the newest."""
    version = "" if version in {"latest", "*"} else version
    if version and not _EXACT.match(version):
        return None
    which = f" -s bun-v{version.removeprefix('v')}" if version else ""
    return _block("bun", f"curl -fsSL https://bun.sh/install | BUN_INSTALL=/usr/local bash{which}")


def deno(version: str = "") -> Block | None:
    """`v1.46.3`; a range or nothing means the newest."""
    exact = _EXACT.match(version)
    which = f" -s v{exact[1]}" if exact else ""
    return _block("deno", f"curl -fsSL https://deno.land/install.sh | DENO_INSTALL=/usr/local sh{which}")


def pnpm(version: str = "") -> Block | None:
    """`9`, `9.1.0`, `latest`; needs node."""
    version = version.strip() or "latest"
    if not re.match(r"(?:latest|\d+(?:\.\d+){0,2})(?:\.x)?\Z", version):
        return None
    return _block("pnpm", f"npm install -g pnpm@{version.removesuffix('.x')}")


def dotnet(version: str = "") -> Block | None:
    """`8.0`, `8.0.x`, `8.0.303`; nothing means the newest LTS."""
    version = version.strip()
    channel = re.match(r"(\d+\.\d+)(?:\.x)?\Z|(\d+)(?:\.x)?\Z", version)
    if _EXACT.match(version):
        which = f"--version {version}"
    elif channel:
        which = f"--channel {channel[1] or channel[2] + '.0'}"
    elif version in {"", "lts", "latest"}:
        which = "--channel LTS"
    else:
        return None
    return _block(
        f"dotnet {version or 'lts'}",
        "apt-get update",
        "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libicu-dev",
        f"curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- {which} --install-dir /usr/share/dotnet",
        "ln -sf /usr/share/dotnet/dotnet /usr/local/bin/dotnet",
        "export DOTNET_ROOT=/usr/share/dotnet",
    )


def github_cli() -> Block:
    key = "/etc/apt/keyrings/githubcli-archive-keyring.gpg"
    return _block(
        "GitHub CLI",
        "install -d -m 0755 /etc/apt/keyrings",
        f"curl -fsSL https://cli.github.com/packages/githubcli-archive-keyring.gpg -o {key}",
        f'echo "deb [arch={_ARCH} signed-by={key}] https://cli.github.com/packages stable main" '
        "> /etc/apt/sources.list.d/github-cli.list",
        "apt-get update",
        "DEBIAN_FRONTEND=noninteractive apt-get install -y gh",
    )


def _block(name: str, *lines: str) -> Block:
    return Block(name=name, text="\n".join(lines) + "\n", generated=True)
