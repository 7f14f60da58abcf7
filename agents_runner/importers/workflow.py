"""`copilot-setup-steps.yml` as an environment: its job's steps, one after the other."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents_runner.core.errors import InvalidInput
from agents_runner.core.variables import check_variable
from agents_runner.importers import toolchains
from agents_runner.importers.actions import Use, action_blocks, needs_node, nothing_needed
from agents_runner.importers.bases import UBUNTU
from agents_runner.importers.collect import Collector, short
from agents_runner.importers.commands import is_endless, leave_out
from agents_runner.importers.documents import parse_yaml
from agents_runner.importers.expressions import Expressions, condition, first_of
from agents_runner.importers.model import Block

_JOB = "copilot-setup-steps"
_HANDOVER = re.compile(
    r"^echo[ \t]+(?:-n[ \t]+)?(?P<word>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'>|;&]+)[ \t]*>>[ \t]*"
    r"\"?\$\{?GITHUB_(?P<file>ENV|PATH)\}?\"?[ \t]*$",
    re.M,
)
_RUNNER_FILES = re.compile(r"\$\{?GITHUB_(ENV|PATH|OUTPUT|STEP_SUMMARY)\b")
_OUTPUT = re.compile(r"\$\{?GITHUB_(OUTPUT|STEP_SUMMARY)\b")
_RUNNER_VALUES = {"RUNNER_TEMP": "/tmp", "RUNNER_OS": "Linux", "CI": "true", "GITHUB_ACTIONS": "true"}
_JOB_KEYS = frozenset(
    [
        "runs-on",
        "container",
        "services",
        "steps",
        "env",
        "defaults",
        "strategy",
        "permissions",
        "timeout-minutes",
        "name",
    ]
)
_STEP_KEYS = frozenset(
    [
        "name",
        "id",
        "if",
        "uses",
        "run",
        "with",
        "env",
        "shell",
        "working-directory",
        "continue-on-error",
        "timeout-minutes",
    ]
)


@dataclass(kw_only=True)
class _Job:
    c: Collector
    expressions: Expressions
    folder: str = ""
    shell: str = ""
    waiting: list[Block] = field(default_factory=list)
    """Blocks that need node, which a later step installs."""
    has_node: bool = False


def add_workflow(c: Collector, relative: str) -> None:
    """Take the job's steps over. Raises InvalidInput with the line where the file is no YAML or no workflow."""
    data = parse_yaml(c.read(relative), relative)
    job = _find_job(data, relative)
    expressions = Expressions(
        matrix=dict(first_of(_mapping(_mapping(job.get("strategy")).get("matrix")))),
        on_secret=c.secret,
        on_matrix=lambda name, value: c.missing(
            f"matrix.{name}", "A task is one container.", f"The matrix' first value, {value}, is used."
        ),
    )
    _image(c, job, expressions)
    for values in (data.get("env"), job.get("env")):
        _variables(c, values, expressions)
    defaults = {
        **_mapping(_mapping(data.get("defaults")).get("run")),
        **_mapping(_mapping(job.get("defaults")).get("run")),
    }
    state = _Job(
        c=c,
        expressions=expressions,
        folder=str(defaults.get("working-directory", "")),
        shell=str(defaults.get("shell", "")),
    )
    _job_rest(c, job)
    steps = job.get("steps")
    steps = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
    later = [str(one.get("uses", "")).lower().startswith("actions/setup-node") for one in steps]
    for number, step in enumerate(steps):
        _step(state, step, number + 1, node_comes=any(later[number + 1 :]))
    _flush(state)
    _runner_values(c)


def _find_job(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    jobs = {str(key): one for key, one in _mapping(data.get("jobs")).items() if isinstance(one, dict)}
    if _JOB in jobs:
        return jobs[_JOB]
    if len(jobs) == 1:
        return next(iter(jobs.values()))
    raise InvalidInput(
        f"{name} has no job {_JOB}.",
        f"Import a workflow with a job of that name, or with one job (it has {len(jobs)}).",
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# -- the job ----------------------------------------------------------------------------------------


def _image(c: Collector, job: Mapping[str, Any], expressions: Expressions) -> None:
    container = job.get("container")
    image = container if isinstance(container, str) else _mapping(container).get("image")
    if isinstance(image, str) and image:
        value, left = expressions.value(image)
        if left:
            c.missing(f"container {image}", "Its image is not known.", "Choose the base image by hand.")
        else:
            c.base_image = value
        _container(c, _mapping(container), expressions)
        if toolchains.is_debian(c.base_image):
            c.steps([toolchains.basics()])
        return
    runs_on = job.get("runs-on")
    value, left = expressions.value(runs_on if isinstance(runs_on, str) else "")
    match = re.fullmatch(r"ubuntu-(?:latest|(\d\d\.\d\d))(?:-arm|-\d+-cores?)?", value)
    c.base_image = f"ubuntu:{match[1]}" if match and match[1] else UBUNTU
    if match is None:
        c.missing(
            f"runs-on {runs_on if isinstance(runs_on, str) else '(a list)'}",
            f"It names no Ubuntu of GitHub's; {UBUNTU} is used.",
            "Choose the base image by hand, if that is not right.",
        )
    c.steps([toolchains.basics()])
    c.note(
        f"runs-on became {c.base_image} with the usual tools; GitHub's own machines have hundreds more, "
        "so a step may need something that is not there."
    )


def _container(c: Collector, container: Mapping[str, Any], expressions: Expressions) -> None:
    _variables(c, container.get("env"), expressions)
    ports = container.get("ports")
    for port in ports if isinstance(ports, list) else []:
        c.port(str(port), f"{port} (container)")
    for key in ("volumes", "options", "credentials"):
        if container.get(key):
            c.missing(f"container.{key}", "It is not carried over.", "Set mounts and limits by hand.")


def _variables(c: Collector, values: Any, expressions: Expressions) -> None:
    for name, raw in _mapping(values).items():
        if not isinstance(raw, str):
            c.missing(f"env {name}", "Its value is no text.", "")
            continue
        if expressions.whole_secret(raw):
            c.secret(str(name))
            continue
        value, left = expressions.value(raw)
        if left:
            c.missing(f"env {name}", f"{short(left[0])} is not known.", f"Set the variable {name} by hand.")
        else:
            c.variable(str(name), value)
            expressions.env[str(name)] = value


def _job_rest(c: Collector, job: Mapping[str, Any]) -> None:
    for name, service in _mapping(job.get("services")).items():
        image = _mapping(service).get("image", service)
        c.missing(
            f"service {name} ({image})",
            "A task is one container; nothing runs beside it.",
            "Start it on this machine, or install it in the cached and start it in the run preflight.",
        )
    if _mapping(job.get("strategy")).get("matrix"):
        c.missing("strategy.matrix", "A task is one container.", "The first value of each list is used.")
    if job.get("timeout-minutes"):
        c.note("timeout-minutes is not carried over; the environment's own limit for builds holds.")
    for key in job:
        if key not in _JOB_KEYS and key not in {"if", "needs", "concurrency", "outputs"}:
            c.missing(f"job's {key}", "It is not known here.", "")


def _runner_values(c: Collector) -> None:
    """Variables that GitHub's machines set, where a step reads them."""
    text = "\n".join(block.text for block in (*c.setup, *c.start) if not block.generated)
    for name, value in _RUNNER_VALUES.items():
        if re.search(rf"\$\{{?{name}\b", text) and name not in c.env_vars:
            c.variable(name, value)


# -- steps ------------------------------------------------------------------------------------------


def _step(state: _Job, step: Mapping[str, Any], number: int, *, node_comes: bool) -> None:
    c = state.c
    run, uses = step.get("run"), step.get("uses")
    title = str(step.get("name") or uses or f"step {number}")
    name, _ = state.expressions.value(title)
    for key in step:
        if key not in _STEP_KEYS:
            c.missing(f"{name}: {key}", "It is not known here.", "")
    holds = condition(str(step.get("if", "")))
    if holds is False:
        c.note(f"The step {short(name)} is left out: its condition never holds here.")
    elif holds is None:
        c.missing(
            f"step {name}",
            f"It is not known whether its condition holds: {short(str(step.get('if')))}",
            "Write it into a script by hand, if it is needed.",
        )
    elif isinstance(run, str):
        _run(state, step, name, run)
    elif isinstance(uses, str):
        _uses(state, step, name, uses, node_comes=node_comes)


def _uses(state: _Job, step: Mapping[str, Any], name: str, uses: str, *, node_comes: bool) -> None:
    c = state.c
    action, _, ref = uses.partition("@")
    inputs: dict[str, str] = {}
    for key, raw in _mapping(step.get("with")).items():
        value, left = state.expressions.value(raw if isinstance(raw, str) else "")
        if left and action.lower() not in {"actions/checkout", "actions/cache"}:
            c.missing(f"{key} of {uses}", f"{short(left[0])} is not known.", "Its default is used.")
        elif not left:
            inputs[str(key)] = value
    use = Use(name=action.lower(), ref=ref, inputs=inputs, c=c)
    reason = nothing_needed(use.name)
    if reason:
        c.note(f"{uses} needs no counterpart: {reason}.")
        _checkout(use)
        return
    if not toolchains.is_debian(c.base_image):
        c.missing(
            f"action {uses}",
            f"It is known for Debian and Ubuntu only, not for {c.base_image}.",
            "Install it by hand.",
        )
        return
    blocks = action_blocks(use)
    if blocks is None:
        shown = ", ".join(f"{key}: {short(one)}" for key, one in inputs.items())
        why = f"It is not known what it does with {shown}." if shown else "It is not known what it does."
        c.missing(f"action {uses}", why, "Write what it installs into the cached preflight.")
        return
    if needs_node(blocks) and not state.has_node and node_comes:
        state.waiting.extend(blocks)
    else:
        if needs_node(blocks) and not state.has_node:
            node = toolchains.node()
            c.steps([node] if node else [])
            state.has_node = True
        c.steps(blocks)
    if use.name == "actions/setup-node":
        state.has_node = True
        _flush(state)
    c.note(f"{uses} became {', '.join(repr(block.name) for block in blocks)}.")


def _flush(state: _Job) -> None:
    state.c.steps(state.waiting)
    state.waiting = []


def _checkout(use: Use) -> None:
    for key in ("repository", "submodules", "lfs", "path", "ref"):
        if use.name == "actions/checkout" and use.get(key) not in {"", "false"}:
            use.c.missing(
                f"{key} {use.get(key)} of actions/checkout",
                "The workspace is your own folder as it is.",
                "Do it in the run preflight, if it is needed.",
            )


def _run(state: _Job, step: Mapping[str, Any], name: str, run: str) -> None:
    c = state.c
    text, left = state.expressions.shell(run)
    if left:
        c.missing(f"step {name}", f"{short(left[0])} is not known.", "Write the step into a script by hand.")
        return
    shell = str(step.get("shell", state.shell)).strip()
    program = re.split(r"[\s/]+", shell.removeprefix("/bin/").removeprefix("/usr/bin/"))[0] if shell else "bash"
    if program not in {"bash", "sh"}:
        c.missing(f"step {name}", f"It is written for {short(shell)}.", "Write it anew for bash.")
        return
    if is_endless(text):
        leave_out(c, f"step {name}", text)
        return
    prelude = _step_variables(state, step, name)
    if shell == "bash" or "pipefail" in shell:
        prelude = f"{prelude}set -o pipefail\n" if "|" in text else prelude
    text, exports = _handover(c, name, text)
    if _OUTPUT.search(text):
        prelude += "export GITHUB_OUTPUT=/dev/null GITHUB_STEP_SUMMARY=/dev/null\n"
    block = Block(
        name=name,
        text=text,
        errexit="{0}" not in shell or bool(re.search(r"\s-[a-z]*e", shell)),
        place=_place(state, step),
        prelude=prelude,
        tolerated=str(step.get("continue-on-error", "")).lower() == "true",
    )
    c.steps([block])
    if exports:
        c.steps([Block(name=f"{name}: variables", text=exports, lasting=True)])


def _step_variables(state: _Job, step: Mapping[str, Any], name: str) -> str:
    lines = ""
    for key, raw in _mapping(step.get("env")).items():
        text = raw if isinstance(raw, str) else ""
        try:
            check_variable(str(key), "")
        except InvalidInput as error:
            state.c.missing(f"env {key} of step {name}", error.message, error.hint)
            continue
        secret = state.expressions.whole_secret(text)
        if secret:
            state.c.secret(secret)
            lines += f'export {key}="${{{secret}:-}}"\n' if secret != key else ""
            continue
        value, left = state.expressions.value(text)
        if left:
            state.c.missing(f"env {key} of step {name}", f"{short(left[0])} is not known.", "The step sees it empty.")
        lines += f"export {key}={shlex.quote('' if left else value)}\n"
    return lines


def _place(state: _Job, step: Mapping[str, Any]) -> str:
    raw = str(step.get("working-directory", state.folder)).strip()
    folder, left = state.expressions.shell(raw)
    if left:
        state.c.missing(f"working-directory {raw}", "It is not known.", "The workspace is used.")
        folder = ""
    folder = folder.replace("${AGENTS_RUNNER_WORKSPACE}", "$AGENTS_RUNNER_WORKSPACE").removeprefix("./").rstrip("/")
    if folder in {"", ".", "$AGENTS_RUNNER_WORKSPACE"}:
        return '"$AGENTS_RUNNER_WORKSPACE"'
    below = folder.removeprefix("$AGENTS_RUNNER_WORKSPACE/")
    if below.startswith("/"):
        return shlex.quote(below)
    return f'"$AGENTS_RUNNER_WORKSPACE"{shlex.quote("/" + below)}'


def _handover(c: Collector, name: str, text: str) -> tuple[str, str]:
    """What a step hands to later ones through GITHUB_ENV and GITHUB_PATH, as exports behind it."""
    exports: list[str] = []

    def take(match: re.Match[str]) -> str:
        word = match["word"]
        single = word.startswith("'")
        inner = word[1:-1] if word[:1] in {"'", '"'} else word
        key, equals, value = inner.partition("=")
        names = set() if single else set(re.findall(r"\$\{?(\w+)", inner))
        local = (
            any(re.search(rf"(?:^|[\s;])(?:export\s+|read\s+)?{one}=", text, re.M) for one in names) or "$(" in inner
        )
        if local or (match["file"] == "ENV" and (not equals or not re.fullmatch(r"[A-Za-z_]\w*", key))):
            return match[0]
        if match["file"] == "PATH":
            exports.append(f'export PATH="{_double(inner, single=single)}:$PATH"')
        else:
            exports.append(f'export {key}="{_double(value, single=single)}"')
        return ""

    text = _HANDOVER.sub(take, text)
    if _RUNNER_FILES.search(_OUTPUT.sub("", text)):
        c.missing(
            f"GITHUB_ENV or GITHUB_PATH in step {name}",
            "What it hands over to later steps is made while it runs.",
            "Write the export into the script by hand.",
        )
        text = re.sub(r"\"?\$\{?GITHUB_(?:ENV|PATH)\}?\"?", "/dev/null", text)
    return text, "".join(line + "\n" for line in exports)


def _double(text: str, *, single: bool) -> str:
    """A text for the inside of double quotes; what the shell was to fill in stays."""
    return (
        re.sub(r'([\\"$`])', r"\\\1", text)
        if single
        else text.replace("~/", "$HOME/")
        if text.startswith("~/")
        else text
    )
