"""Dev container features: those that are plain packages become shell lines, the others are reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from agents_runner.importers import toolchains
from agents_runner.importers.collect import Collector
from agents_runner.importers.model import Block

_OFFICIAL = re.compile(r"(?:ghcr\.io/devcontainers/features/)?([a-z0-9-]+)\Z")
_EXTRA = re.compile(
    r"ghcr\.io/(?:devcontainers-contrib|devcontainers-extra|rocker-org)/[a-z-]*features/([a-z0-9-]+)\Z"
)
_ENGINE = {"docker-in-docker", "docker-outside-of-docker", "docker-from-docker", "kubectl-helm-minikube"}
_ENGINE_HINT = "Agents' containers get no container engine; run what needs one on this machine."
Options = Mapping[str, str]
Make = Callable[[Collector, Options], Block | None]


def add_features(c: Collector, features: Any) -> None:
    """Take over the features of a devcontainer.json: name to options, or to a version."""
    if not isinstance(features, dict):
        if features is not None:
            c.missing("features", "It is no object.", "")
        return
    found: list[Block] = []
    for reference, value in features.items():
        block = _feature(c, str(reference), value)
        if block is not None:
            found.append(block)
    basics = [block for block in found if block.name == toolchains.BASICS]
    if found and not basics and not c.base_image.startswith("mcr.microsoft.com/"):
        basics = [toolchains.basics()]
    # The others download with what these install.
    c.steps([*basics, *(block for block in found if block not in basics)])


def _feature(c: Collector, reference: str, value: Any) -> Block | None:
    name = _name(reference)
    options = _options(value)
    if name == "desktop-lite":
        c.desktop = True
        c.note("The feature desktop-lite became the environment's own desktop.")
        return None
    if name in _ENGINE:
        c.missing(f"feature {reference}", "It needs a container engine inside of the container.", _ENGINE_HINT)
        return None
    make = _KNOWN.get(name)
    if make is None:
        c.missing(
            f"feature {reference}",
            "Features are not supported, and it is not known what this one installs.",
            "Write what it installs into the cached preflight.",
        )
        return None
    if not toolchains.is_debian(c.base_image):
        c.missing(
            f"feature {reference}",
            f"It is known for Debian and Ubuntu only, and {c.base_image or 'the base image'} is not known to be one.",
            "Install it in the cached preflight with the image's own package manager.",
        )
        return None
    block = make(c, options)
    if block is None:
        shown = ", ".join(f"{key}={one}" for key, one in options.items())
        c.missing(
            f"feature {reference}", f"It is not known what {shown} means.", "Write it into the cached preflight."
        )
    else:
        c.note(f"The feature {reference} became the step {block.name!r}.")
    return block


def _name(reference: str) -> str:
    """The short name of a feature that is known by its place; "" for the others."""
    bare = re.sub(r"(?:@sha256:[0-9a-f]+|:[\w.-]+)\Z", "", reference)
    match = _OFFICIAL.match(bare)
    if match:
        return match[1]
    extra = _EXTRA.match(bare)
    return f"extra/{extra[1]}" if extra else ""


def _options(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"version": value}
    if not isinstance(value, dict):
        return {}
    return {str(key): _word(one) for key, one in value.items() if isinstance(one, str | int | float | bool)}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _common(c: Collector, options: Options) -> Block | None:
    if options.get("installZsh", "true") != "false":
        c.missing("zsh and oh-my-zsh of the feature common-utils", "They are for people at a terminal.", "")
    return toolchains.basics("bash-completion lsof man-db nano net-tools psmisc rsync strace tree vim-tiny")


def _git(c: Collector, options: Options) -> Block | None:
    if options.get("version", "os-provided") not in {"os-provided", "system"}:
        c.note("The feature git installs the distribution's version.")
    return toolchains.packages("git", ["git"])


def _node(c: Collector, options: Options) -> Block | None:
    version = options.get("version", "lts")
    if version == "none":
        return None
    return toolchains.node(version)


def _python(_c: Collector, options: Options) -> Block | None:
    return toolchains.python(options.get("version", "os-provided"))


def _java(c: Collector, options: Options) -> Block | None:
    for tool in ("Maven", "Gradle"):
        if options.get(f"install{tool}") == "true":
            c.missing(f"{tool} of the feature java", "Only the JDK is installed.", f"Install {tool.lower()} by hand.")
    version = options.get("version", "latest")
    return toolchains.java("" if version in {"latest", "lts"} else version)


def _ruby(_c: Collector, options: Options) -> Block | None:
    version = options.get("version", "latest")
    return (
        toolchains.packages("ruby", ["ruby-full"])
        if version in {"latest", "os-provided"}
        else toolchains.ruby(version)
    )


def _rust(_c: Collector, options: Options) -> Block | None:
    version = options.get("version", "latest")
    return toolchains.rust("stable" if version in {"latest", "lts"} else version, ["rustfmt", "clippy"])


def _listed(_c: Collector, options: Options) -> Block | None:
    return toolchains.packages("packages", re.split(r"[,\s]+", options.get("packages", "").strip()))


_KNOWN: dict[str, Make] = {
    "common-utils": _common,
    "git": _git,
    "git-lfs": lambda _c, _o: toolchains.packages("git-lfs", ["git", "git-lfs"]),
    "github-cli": lambda _c, _o: toolchains.github_cli(),
    "node": _node,
    "python": _python,
    "go": lambda _c, o: toolchains.go("" if o.get("version", "latest") == "latest" else o["version"]),
    "java": _java,
    "ruby": _ruby,
    "rust": _rust,
    "dotnet": lambda _c, o: toolchains.dotnet(o.get("version", "")),
    "extra/apt-packages": _listed,
    "extra/apt-get-packages": _listed,
    "extra/pnpm": lambda _c, o: toolchains.pnpm(o.get("version", "")),
    "extra/deno": lambda _c, o: toolchains.deno(o.get("version", "")),
}
