"""Set-up actions of GitHub workflows as shell lines for a Debian or Ubuntu base."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.importers import toolchains
from agents_runner.importers.collect import Collector
from agents_runner.importers.commands import WORKSPACE
from agents_runner.importers.model import Block
from agents_runner.importers.project import joined

Inputs = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Use:
    """One `uses:`: the action's name in small letters, what stands behind its `@`, its inputs."""

    name: str
    ref: str
    inputs: Inputs
    c: Collector

    def get(self, name: str, default: str = "") -> str:
        return self.inputs.get(name, default).strip()

    def file(self, name: str) -> str:
        """The text of a file of the project that an input (or its default) names; "" if it is not there."""
        path = joined("", name)
        try:
            return self.c.read(path) if name and self.c.project.has(path) else ""
        except AgentsRunnerError:
            return ""


def nothing_needed(name: str) -> str:
    """Why an action needs no counterpart; "" if it does."""
    return _NOTHING.get(name, "")


def action_blocks(use: Use) -> list[Block] | None:
    """The blocks that do what an action does; None if it is not known, or its inputs are not."""
    make = _MAKERS.get(use.name)
    if make is None:
        return None
    blocks = make(use)
    return None if blocks is None or any(block is None for block in blocks) else [b for b in blocks if b is not None]


def needs_node(blocks: list[Block]) -> bool:
    """True if they use npm without installing it."""
    text = "".join(block.text for block in blocks)
    return bool(re.search(r"\bnpm install -g", text)) and "nodejs" not in text


# -- versions in the project's files ----------------------------------------------------------------


def _version_in(use: Use, *names: str) -> str:
    """The version that one of the project's files pins, as the action would find it."""
    for name in names:
        text = use.file(name)
        if not text:
            continue
        base = name.rsplit("/", 1)[-1]
        reader = _FILES.get(base, _plain)
        version = reader(text)
        if version:
            use.c.note(f"The version {version} is from {name}; a later change of that file is not noticed.")
            return version
    return ""


def _plain(text: str) -> str:
    first = text.strip().split("\n", 1)[0].strip()
    return first if re.fullmatch(r"[\w./*-]{1,40}", first) else ""


def _package_json(text: str) -> str:
    try:
        data = json.loads(text)
        value = data.get("volta", {}).get("node") or data.get("engines", {}).get("node") or ""
    except (ValueError, AttributeError, RecursionError):
        return ""
    match = re.fullmatch(r"(?:>=|\^|~)?\s*(\d+)(?:\.[\dx*]+)*", str(value).strip())
    return match[1] if match else ""


def _package_manager(text: str, manager: str) -> str:
    try:
        value = str(json.loads(text).get("packageManager", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""
    match = re.match(rf"{manager}@(\d+(?:\.\d+){{0,2}})", value)
    return match[1] if match else ""


def _go_mod(text: str) -> str:
    match = re.search(r"^toolchain go(\S+)", text, re.M) or re.search(r"^go (\S+)", text, re.M)
    return match[1] if match else ""


def _tool_versions(text: str) -> dict[str, str]:
    return {words[0]: words[1] for line in text.split("\n") if len(words := line.split()) >= 2}


_FILES: dict[str, Callable[[str], str]] = {"package.json": _package_json, "go.mod": _go_mod, "go.work": _go_mod}

# -- one maker an action ----------------------------------------------------------------------------

Made = list[Block | None] | None


def _node(use: Use) -> Made:
    version = use.get("node-version") or _version_in(use, use.get("node-version-file"))
    if use.get("registry-url"):
        use.c.missing(
            f"registry-url {use.get('registry-url')} of actions/setup-node", "It goes with a token.", "Use an .npmrc."
        )
    return [toolchains.node(version)]


def _python(use: Use) -> Made:
    version = use.get("python-version") or _version_in(use, use.get("python-version-file"), ".python-version")
    lines = [one for one in version.split("\n") if one.strip()]
    return [toolchains.python(lines[0] if lines else "")]


def _go(use: Use) -> Made:
    return [toolchains.go(use.get("go-version") or _version_in(use, use.get("go-version-file")))]


def _java(use: Use) -> Made:
    if use.get("distribution") not in {"temurin", "adopt", "adopt-hotspot", ""}:
        use.c.note(f"Java's distribution {use.get('distribution')} became Eclipse Temurin.")
    return [toolchains.java(use.get("java-version") or _version_in(use, use.get("java-version-file")))]


def _ruby(use: Use) -> Made:
    version = use.get("ruby-version")
    if version in {"", "default", ".ruby-version"}:
        version = _version_in(use, ".ruby-version") or _tool_versions(use.file(".tool-versions")).get("ruby", "")
    blocks: list[Block | None] = [toolchains.ruby(version)]
    if use.get("bundler-cache") == "true":
        blocks.append(Block(name="bundler", text="bundle install\n", place=WORKSPACE))
    return blocks


def _rust(use: Use) -> Made:
    toolchain = use.get("toolchain") or (use.ref if use.name == "dtolnay/rust-toolchain" else "")
    toolchain = "stable" if re.fullmatch(r"[0-9a-f]{40}|v\d+|master|main", toolchain) else toolchain
    return [toolchains.rust(toolchain, _list(use, "components"), _list(use, "targets", "target"))]


def _list(use: Use, *names: str) -> list[str]:
    return [one for name in names for one in re.split(r"[,\s]+", use.get(name)) if one]


def _pnpm(use: Use) -> Made:
    folder = use.get("package_json_file", "package.json")
    version = use.get("version") or _package_manager(use.file(folder), "pnpm")
    blocks: list[Block | None] = [toolchains.pnpm(version)]
    if use.get("run_install") not in {"", "false", "null"}:
        blocks.append(Block(name="pnpm install", text="pnpm install\n", place=WORKSPACE))
    return blocks


def _uv(use: Use) -> Made:
    blocks: list[Block | None] = [toolchains.uv(use.get("version"))]
    if use.get("python-version"):
        blocks.append(toolchains.python(use.get("python-version")))
    return blocks


def _apt(use: Use) -> Made:
    return [toolchains.packages("packages", [*re.split(r"[,\s]+", use.get("packages"))])]


def _php(use: Use) -> Made:
    extra = [f"php-{one}" for one in _list(use, "extensions") if re.fullmatch(r"[a-z0-9_]+", one)]
    if use.get("php-version"):
        use.c.missing(
            f"php-version {use.get('php-version')}",
            "The distribution's own PHP is installed.",
            "Choose a php image as base image, if the version matters.",
        )
    return [toolchains.packages("php", ["php-cli", "php-xml", "php-mbstring", "composer", *extra])]


def _poetry(use: Use) -> Made:
    version = use.get("version")
    which = f"=={version}" if re.fullmatch(r"\d+\.\d+\.\d+", version) else ""
    if version not in {"", "latest"} and not which:
        return None
    return [
        toolchains.uv(),
        Block(
            name="poetry",
            text=f"UV_TOOL_DIR=/opt/uv-tools UV_TOOL_BIN_DIR=/usr/local/bin uv tool install poetry{which}\n",
            generated=True,
        ),
    ]


_MAKERS: dict[str, Callable[[Use], Made]] = {
    "actions/setup-node": _node,
    "actions/setup-python": _python,
    "actions/setup-go": _go,
    "actions/setup-java": _java,
    "actions/setup-dotnet": lambda use: [toolchains.dotnet(use.get("dotnet-version").split("\n")[0])],
    "ruby/setup-ruby": _ruby,
    "dtolnay/rust-toolchain": _rust,
    "actions-rs/toolchain": _rust,
    "actions-rust-lang/setup-rust-toolchain": _rust,
    "oven-sh/setup-bun": lambda use: [toolchains.bun(use.get("bun-version"))],
    "denoland/setup-deno": lambda use: [toolchains.deno(use.get("deno-version"))],
    "pnpm/action-setup": _pnpm,
    "astral-sh/setup-uv": _uv,
    "snok/install-poetry": _poetry,
    "shivammathur/setup-php": _php,
    "awalsh128/cache-apt-pkgs-action": _apt,
}
_NOTHING = {
    "actions/checkout": "the workspace is there",
    "actions/cache": "the layers of the image are the cache",
    "actions/cache/restore": "the layers of the image are the cache",
    "actions/cache/save": "the layers of the image are the cache",
    "swatinem/rust-cache": "the layers of the image are the cache",
    "mozilla-actions/sccache-action": "the layers of the image are the cache",
    "actions/upload-artifact": "nothing is handed to another job",
    "step-security/harden-runner": "it concerns GitHub's own machines",
}
