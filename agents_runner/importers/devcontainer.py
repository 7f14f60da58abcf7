"""`devcontainer.json` as an environment."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from typing import Any

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.importers.collect import Collector, looks_secret
from agents_runner.importers.commands import WORKSPACE, commands_of, is_endless, leave_out, setup_block, start_block
from agents_runner.importers.container_options import add_mounts, add_ports, add_run_args
from agents_runner.importers.dockerfile import add_dockerfile
from agents_runner.importers.documents import parse_jsonc, parse_yaml
from agents_runner.importers.features import add_features
from agents_runner.importers.model import Block
from agents_runner.importers.project import joined
from agents_runner.importers.substitution import Substitution

_SETUP = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
_START = ("postStartCommand", "postAttachCommand")
_WITHOUT_EFFECT = frozenset(
    [
        "$schema",
        "name",
        "customizations",
        "extensions",
        "settings",
        "overrideCommand",
        "shutdownAction",
        "waitFor",
        "userEnvProbe",
        "portsAttributes",
        "otherPortsAttributes",
        "updateRemoteUserUID",
        "overrideFeatureInstallOrder",
        "init",
        "devPort",
    ]
)
_TAKEN = frozenset(
    [
        "image",
        "build",
        "dockerFile",
        "context",
        "dockerComposeFile",
        "service",
        "runServices",
        "features",
        "containerEnv",
        "remoteEnv",
        "mounts",
        "forwardPorts",
        "appPort",
        "runArgs",
        "remoteUser",
        "containerUser",
        "workspaceFolder",
        "workspaceMount",
        "secrets",
        "hostRequirements",
        "initializeCommand",
    ]
) | {*_SETUP, *_START}
_REPORTED = {
    "privileged": ("Containers of agents get no rights over this machine.", ""),
    "capAdd": ("Containers of agents get no additional rights.", ""),
    "securityOpt": ("Containers of agents get no additional rights.", ""),
}


def add_devcontainer(c: Collector, relative: str, environ: Mapping[str, str]) -> None:
    """Take a devcontainer.json of the project over. Raises InvalidInput with the line where it is no JSON."""
    data = parse_jsonc(c.read(relative), relative)
    folder = posixpath.dirname(relative)
    c.name = data["name"] if isinstance(data.get("name"), str) else ""
    plain = Substitution(folder=str(c.project.root), environ=environ, container={})
    _image(c, data, folder, plain)
    substitution = Substitution(folder=str(c.project.root), environ=environ, container=c.env_vars)
    add_features(c, data.get("features"))
    for key in ("containerEnv", "remoteEnv"):
        _variables(c, key, data.get(key), substitution)
    _secrets(c, data.get("secrets"))
    _commands(c, data, substitution)
    add_mounts(c, data.get("mounts"), substitution)
    add_ports(c, data)
    add_run_args(c, data.get("runArgs"), substitution)
    _users(c, data)
    _workspace(c, data, substitution)
    _rest(c, data)


# -- the image --------------------------------------------------------------------------------------


def _image(c: Collector, data: Mapping[str, Any], folder: str, substitution: Substitution) -> None:
    named = data.get("build")
    build: dict[str, Any] = named if isinstance(named, dict) else {}
    dockerfile = build.get("dockerfile") or build.get("dockerFile") or data.get("dockerFile")
    image = data.get("image")
    if isinstance(dockerfile, str) and dockerfile.strip():
        context = build.get("context", data.get("context", "."))
        args = build.get("args")
        values = {
            str(name): substitution.resolve(str(value)).value
            for name, value in (args.items() if isinstance(args, dict) else ())
            if isinstance(value, str | int | float)
        }
        target = build.get("target")
        _dockerfile(
            c,
            joined(folder, dockerfile),
            context=joined(folder, context if isinstance(context, str) else "."),
            args=values,
            target=target if isinstance(target, str) else "",
        )
        for key in ("cacheFrom", "options"):
            if build.get(key):
                c.missing(f"build.{key}", "Layers are built from scripts, not by a Dockerfile's builder.", "")
    elif isinstance(image, str) and image.strip():
        found = substitution.resolve(image.strip())
        if found.open:
            c.missing(f"image {image}", f"The value of {', '.join(found.open)} is not known.", "Choose a base image.")
        else:
            c.base_image = found.value
    elif data.get("dockerComposeFile"):
        _compose(c, data, folder)


def _dockerfile(c: Collector, relative: str, *, context: str, args: Mapping[str, str], target: str) -> None:
    try:
        add_dockerfile(c, relative, context=context, args=args, target=target)
    except AgentsRunnerError as error:
        c.missing(relative, error.message, error.hint or "Choose the base image by hand.")


def _compose(c: Collector, data: Mapping[str, Any], folder: str) -> None:
    """Of a compose file only the image of the one service that is worked in."""
    named = data["dockerComposeFile"]
    files = [one for one in (named if isinstance(named, list) else [named]) if isinstance(one, str)]
    service = str(data.get("service", ""))
    others: set[str] = set()
    for file in files:
        relative = joined(folder, file)
        try:
            compose = parse_yaml(c.read(relative), relative)
        except AgentsRunnerError as error:
            c.missing(relative, error.message, error.hint)
            continue
        services = compose.get("services")
        services = services if isinstance(services, dict) else {}
        others |= {str(name) for name in services if name != service}
        own = services.get(service)
        if isinstance(own, dict):
            _service(c, own, posixpath.dirname(relative))
    for name in sorted(others):
        c.missing(f"service {name} of the compose file", "A task is one container.", "Start it on this machine.")
    c.missing(
        "dockerComposeFile",
        f"Only the image, variables and ports of the service {service or '(none is named)'} are carried over.",
        "Add its volumes and networks by hand.",
    )


def _service(c: Collector, service: Mapping[str, Any], folder: str) -> None:
    build = service.get("build")
    if isinstance(build, str):
        build = {"context": build}
    if isinstance(build, dict):
        context = joined(folder, str(build.get("context", ".")))
        args = build.get("args")
        pairs = args.items() if isinstance(args, dict) else (str(one).partition("=")[::2] for one in args or ())
        _dockerfile(
            c,
            joined(context, str(build.get("dockerfile", "Dockerfile"))),
            context=context,
            args={str(name): str(value) for name, value in pairs},
            target=str(build.get("target", "")),
        )
    elif isinstance(service.get("image"), str) and "${" not in service["image"]:
        c.base_image = service["image"]
    variables = service.get("environment")
    pairs = (
        variables.items() if isinstance(variables, dict) else (str(v).partition("=")[::2] for v in variables or ())
    )
    for name, value in pairs:
        if "$" in str(value) or not value:
            c.missing(f"variable {name} of the compose file", "Its value comes from this machine.", "Set it by hand.")
        else:
            c.variable(str(name), str(value))


# -- variables --------------------------------------------------------------------------------------


def _variables(c: Collector, key: str, values: Any, substitution: Substitution) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        c.missing(key, "It is no object.", "")
        return
    for name, value in values.items():
        if value is None:
            c.missing(
                f"{key}.{name}", "It takes a variable of the image away.", f"Write `unset {name}` into a script."
            )
        elif isinstance(value, dict | list):
            c.missing(f"{key}.{name}", "Its value is no text.", "")
        else:
            text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
            _variable(c, key, str(name), text, substitution)


def _variable(c: Collector, key: str, name: str, text: str, substitution: Substitution) -> None:
    found = substitution.resolve(text)
    if found.local and found.open:
        if looks_secret(name) or looks_secret(found.local):
            c.secret(name)
            return
        c.missing(
            f"{key}.{name} = {text}",
            f"It is this machine's {found.local}, which is not read.",
            f"Set the environment's variable {name} by hand.",
        )
    elif found.open:
        c.missing(f"{key}.{name} = {text}", f"{', '.join(found.open)} is not known.", f"Set {name} by hand.")
    elif found.from_container:
        c.variable(name, "")
        if c.env_vars.pop(name, None) is not None:
            line = f'export {name}="{found.shell}"\n'
            c.setup.append(Block(name=f"{key}.{name}", text=line, lasting=True, baked=True))
            c.note(f"{key}.{name} builds on the container's own value, so the cached preflight sets it.")
    else:
        c.variable(name, found.value)


def _secrets(c: Collector, secrets: Any) -> None:
    if isinstance(secrets, dict):
        for name in secrets:
            c.secret(str(name))


# -- commands ---------------------------------------------------------------------------------------


def _commands(c: Collector, data: Mapping[str, Any], substitution: Substitution) -> None:
    if data.get("initializeCommand"):
        c.missing(
            "initializeCommand",
            "It runs on this machine, outside of the container; nothing of a project is run there.",
            "Run it by hand, if it is needed and you know what it does.",
        )
    for key in (*_SETUP, *_START):
        value = data.get(key)
        if value is None:
            continue
        found = list(commands_of(value))
        if not found and value not in ("", [], {}):
            c.missing(key, "It is neither a text, a list of texts nor an object of them.", "")
        if isinstance(value, dict) and len(found) > 1:
            c.note(f"The commands of {key} ran side by side; they run one after the other, in the file's order.")
        for name, text in found:
            _command(c, key, f"{key}.{name}" if name else key, text, substitution)


def _command(c: Collector, key: str, name: str, text: str, substitution: Substitution) -> None:
    filled = _filled(text, substitution)
    if filled is None:
        c.missing(f"{name}: {text}", "A ${...} in it is not known.", "Write the command into a script by hand.")
    elif key in _START:
        start_block(c, name, filled)
    elif is_endless(filled):
        leave_out(c, name, filled)
    else:
        c.setup.append(setup_block(c, name, filled))


def _filled(text: str, substitution: Substitution) -> str | None:
    """A command with the file's own variables filled in; the shell's own `${NAME}` stay."""

    def value(match: re.Match[str]) -> str:
        inner = match[0]
        if inner.startswith("${containerEnv:"):
            return "${" + match[1].split(":", 1)[1].replace(":", ":-", 1) + "}"
        if inner.startswith("${containerWorkspaceFolder}"):
            return "${AGENTS_RUNNER_WORKSPACE}"
        found = substitution.resolve(inner)
        if found.open:
            raise LookupError(inner)
        return found.value if re.fullmatch(r"[\w@%+=:,./-]*", found.value) else shlex.quote(found.value)

    words = (
        r"\$\{((?:localEnv|env|containerEnv|localWorkspaceFolder|containerWorkspaceFolder|devcontainerId)[^{}]*)\}"
    )
    try:
        return re.sub(words, value, text)
    except LookupError:
        return None


# -- the rest ---------------------------------------------------------------------------------------


def _users(c: Collector, data: Mapping[str, Any]) -> None:
    for key in ("containerUser", "remoteUser"):
        user = data.get(key)
        if isinstance(user, str) and user not in {"", "root"}:
            c.missing(
                f"{key} {user}",
                "The scripts run as the image's own user, the agent as you, with your files' owner.",
                f"Replace /home/{user} in the scripts by $HOME, if it is there.",
            )


def _workspace(c: Collector, data: Mapping[str, Any], substitution: Substitution) -> None:
    folder = data.get("workspaceFolder")
    if isinstance(folder, str):
        inside = substitution.resolve(folder).value
        if inside != WORKSPACE_PATH:
            c.missing(f"workspaceFolder {folder}", f"The workspace is at {WORKSPACE_PATH} in every container.")
            if inside.startswith("/") and inside.count("/") > 1 and "$" not in inside:
                texts = [*c.env_vars.values(), *(block.text for block in (*c.setup, *c.start))]
                c.link(posixpath.normpath(inside), WORKSPACE, texts)
    if data.get("workspaceMount"):
        c.missing("workspaceMount", f"The project's folder is mounted at {WORKSPACE_PATH}.", "")


def _rest(c: Collector, data: Mapping[str, Any]) -> None:
    needs = data.get("hostRequirements")
    if isinstance(needs, dict) and needs:
        c.missing(
            "hostRequirements",
            "They say what a machine must have; limits are something else.",
            "Set the environment's limits by hand, if it needs any.",
        )
    for key, value in data.items():
        if key in _REPORTED and value:
            c.missing(key, *_REPORTED[key])
        elif key not in _TAKEN and key not in _WITHOUT_EFFECT and key not in _REPORTED:
            c.missing(key, "It is not known here.", "")
    if "customizations" in data or "extensions" in data:
        c.note("What the file says for editors (customizations) is not needed.")
