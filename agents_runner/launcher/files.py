"""The files that a container's control folder holds: the launcher's programs, its plan, scripts and prompt."""

from __future__ import annotations

import functools
import re
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

from agents_runner.core.events import Phase
from agents_runner.core.imageplan import sha256
from agents_runner.core.profile import NEW_PROFILE, Profile
from agents_runner.core.scripts import interpreter_of
from agents_runner.core.secret_stages import SecretStage
from agents_runner.core.secrets import SecretGrant
from agents_runner.core.task_plan import CONTROL_PATH, WORKSPACE_PATH, AgentLaunch

IN = CONTROL_PATH + "/in"
STATE = CONTROL_PATH + "/state"
PROMPT = IN + "/prompt"
CACHE_PROGRAMS = ("caches.sh", "cache-hook.sh")
"""Not among those below: what they do changes no image."""
PROGRAMS = ("launcher.sh", "stage.sh", "prelude.bash", "prelude.sh", "dump.bash")
_RESERVED = re.compile(
    r"UID|EUID|PPID|GROUPS|S?RANDOM|SECONDS|LINENO|DIRSTACK|FUNCN\w*|HISTCMD|EPOCH\w*|BASH(?!_ENV$)\w*|SHELLOPTS|IFS"
)
"""Variables that mean something to the launcher's shell: it hands them on without having them itself."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The scripts of one phase, run in order, each in a fresh shell."""

    phase: str
    scripts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DesktopStart:
    """The desktop of a task: `files` (name to text) go along, `install` where no layer holds it."""

    files: Mapping[str, str]
    install: bool
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class LauncherPlan:
    """What one container is to do. `image_user` and `image_home` are as the image's configuration has them."""

    token: str
    kind: Literal["build", "task"]
    uid: int
    gid: int
    image_user: str = ""
    image_home: str = ""
    image_variables: Mapping[str, str] = field(default_factory=dict)
    """Those of the image's own that the container starts without; scripts and agent have them."""
    variables: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Our own AGENTS_RUNNER_ variables, which no script's export may change."""
    stages: tuple[Stage, ...] = ()
    mounted: tuple[str, ...] = ()
    """Writable mounts whose new files are to belong to the person."""
    login: Mapping[str, bytes] = field(default_factory=dict)
    """Path below the home folder to the bytes of the login file."""
    agent: AgentLaunch | None = None
    prompt: bytes = b""
    volumes: tuple[str, ...] = ()
    secrets: tuple[SecretGrant, ...] = ()
    """Those that any of its stages may see; when one begins, its values come on standard input, in this order."""
    package_cache: bool = False
    """A volume for package managers' downloads is mounted; see caches.sh."""
    limit_s: int = 0
    """Seconds after which the launcher ends everything by itself, 0 for never."""
    desktop: DesktopStart | None = None
    profile: Profile = NEW_PROFILE
    """What the agent may do; no build asks for it, so that it is in no layer's key."""


@functools.cache
def program(name: str) -> bytes:
    """The bytes of one of the shell programs that we ship."""
    return resources.files("agents_runner.launcher").joinpath(name).read_bytes()


@functools.cache
def recipe() -> str:
    """Hash over the programs that have a part in a build: another launcher makes other images."""
    return sha256(b"\0".join(program(name) for name in PROGRAMS))


def control_files(plan: LauncherPlan) -> dict[str, bytes]:
    """Everything below the control folder, by relative path; the container can only read it."""
    files = {f"in/{name}": program(name) for name in PROGRAMS}
    if plan.package_cache:
        files |= {f"in/{name}": program(name) for name in CACHE_PROGRAMS}
    numbered = [(stage, text) for stage in plan.stages for text in stage.scripts]
    for number, (_, text) in enumerate(numbered):
        files[f"in/scripts/{number:02}"] = text.encode("utf-8")
    for number, data in enumerate(plan.login.values()):
        files[f"in/login/{number:02}"] = data
    if plan.desktop:
        for name, text in plan.desktop.files.items():
            files[f"in/desktop/{name}"] = text.encode("utf-8")
    if plan.agent:
        for name, text in plan.agent.files.items():
            files[f"in/{name}"] = text.encode("utf-8")
        files["in/prompt"] = plan.prompt
    variables = "\n".join(_variables(plan)) + "\n"
    files["in/variables.sh"] = variables.encode("utf-8", "surrogateescape")
    files["in/plan.sh"] = _plan_script(plan).encode("utf-8", "surrogateescape")
    # Where the launcher's tools are mounted; a mount point made by the engine would be root's.
    files["in/tools/.mount"] = b""
    return files


def new_token() -> str:
    """128 random bits: marks the lines of one container's launcher."""
    return secrets.token_hex(16)


def token_line(token: str) -> bytes:
    """What the launcher reads first from its standard input, at every start."""
    return f"{token}\n".encode("ascii")


def _variables(plan: LauncherPlan) -> list[str]:
    """What is to be done for whom, and all variables; read by stage.sh as well, which does nothing of it itself."""
    return [
        "# What this container is to do; read by launcher.sh and stage.sh.",
        f"AR_UID={plan.uid}",
        f"AR_GID={plan.gid}",
        f"AR_IMAGE_USER={shlex.quote(plan.image_user)}",
        f"AR_IMAGE_HOME={shlex.quote(plan.image_home)}",
        f"AR_WORKSPACE={WORKSPACE_PATH}",
        f"AR_STAGE={'build' if plan.kind == 'build' else 'run'}",
        f"AR_PROFILE={plan.profile}",
        f"AR_MOUNTED={shlex.quote(':'.join(plan.mounted))}",
        *_exporter("ar_plan_image", plan.image_variables),
        *_exporter("ar_plan_variables", plan.variables, first="ar_cache_variables" if plan.package_cache else ":"),
        *_exporter("ar_plan_fixed", plan.fixed),
        *_exporter("ar_plan_desktop", _desktop_variables(plan)),
        *_agent_exporter(plan),
    ]


def _plan_script(plan: LauncherPlan) -> str:
    lines = [
        *_variables(plan),
        *(('. "$ar_in/caches.sh"',) if plan.package_cache else ()),
        *((f"ar_limit {plan.limit_s}",) if plan.limit_s else ()),
        "ar_identity",
    ]
    if plan.kind == "task":
        lines.append("ar_workspace")
    calls = _stage_calls(plan)
    lines += ["ar_caches_on", *calls, "ar_caches_off"] if plan.package_cache else calls
    if plan.kind == "build":
        lines.append("ar_nothing_left")
    if plan.volumes:
        lines.append(shlex.join(["ar_volumes", *plan.volumes]))
    if plan.agent:
        lines += _secrets(plan, "agent")
        lines.append(shlex.join(["ar_agent", *agent_argv(plan.agent)]))
    return "\n".join(lines) + "\n"


def _exporter(name: str, variables: Mapping[str, str], first: str = ":") -> list[str]:
    return [
        f"{name}() {{",
        f"    {first}",
        *(f"    {_holder(key)}{_quote(value)}" for key, value in variables.items()),
        "}",
    ]


def _holder(name: str) -> str:
    if _RESERVED.fullmatch(name) or not _NAME.fullmatch(name):
        return f"ar_reserve {shlex.quote(name)} "
    return f"export {name}="


def _desktop_variables(plan: LauncherPlan) -> dict[str, str]:
    return {"AGENTS_RUNNER_DESKTOP_URL": plan.desktop.url} if plan.desktop and plan.desktop.url else {}


def _agent_exporter(plan: LauncherPlan) -> list[str]:
    if not plan.agent:
        return _exporter("ar_plan_agent", {})
    own = plan.agent.environment | (plan.agent.root_environment if plan.uid == 0 else {})
    # A variable that the person or a script has set wins over the agent's default.
    body = [f'    export {key}="${{{key}-{_default(value)}}}"' for key, value in own.items()]
    return ["ar_plan_agent() {", "    :", *body, "}"]


def _default(value: str) -> str:
    return re.sub(r'([\\"$`}])', r"\\\1", value)


def _quote(value: str) -> str:
    return shlex.quote(value)


def _stage_calls(plan: LauncherPlan) -> list[str]:
    lines = ["ar_desktop_install"] if plan.desktop and plan.desktop.install else []
    number = 0
    seeded = False
    for stage in plan.stages:
        if stage.phase == "preflight.run":
            # Logins come after the cached preflight, as over a baked image, and before the run preflight.
            lines += _before_the_task(plan)
            seeded = True
        lines += _secrets(plan, secret_stage(stage.phase))
        lines.append(f"ar_begin {stage.phase}")
        for text in stage.scripts:
            interpreter = interpreter_of(text)
            lines.append(shlex.join(["ar_script", f"{number:02}", interpreter.kind, *interpreter.words]))
            number += 1
        lines.append(f"ar_end {stage.phase}")
    return lines if seeded else lines + _before_the_task(plan)


def _before_the_task(plan: LauncherPlan) -> list[str]:
    """Between what may be baked and what is the task's own: there is no screen and no login in a build either."""
    return [*_secrets(plan, None), *(["ar_desktop_start"] if plan.desktop else []), *_seeds(plan)]


def secret_stage(phase: str) -> SecretStage | None:
    """Which secrets a phase sees: the cached preflight the same ones in a build and at task start."""
    stages: dict[str, SecretStage] = {
        Phase.BUILD_ENV: "build",
        Phase.CACHED: "build",
        Phase.RUN: "run",
        Phase.AGENT: "agent",
    }
    return stages.get(phase)


def secrets_for(
    grants: Iterable[SecretGrant], stages: Iterable[Stage], *, agent: bool = False
) -> tuple[SecretGrant, ...]:
    """The secrets that a container with these stages needs; no others are sent there."""
    wanted = {secret_stage(stage.phase) for stage in stages} | ({"agent"} if agent else set())
    return tuple(grant for grant in grants if wanted.intersection(grant.stages))


def secrets_of(grants: Iterable[SecretGrant], stage: str) -> tuple[str, ...]:
    """The names whose values the launcher is sent when it asks for this stage's, in their order."""
    return tuple(grant.name for grant in grants if stage in grant.stages)


def _secrets(plan: LauncherPlan, stage: SecretStage | None) -> list[str]:
    if not plan.secrets:
        return []
    seen = [grant for grant in plan.secrets if stage is not None and grant.seen_by(stage)]
    files = " ".join(grant.name for grant in seen)
    variables = " ".join(grant.name for grant in seen if grant.as_variable)
    owner = "$AR_UID" if stage == "agent" else "$ar_setup"
    return [f'ar_secrets {stage or "none"} "{owner}" {shlex.quote(files)} {shlex.quote(variables)}']


def _seeds(plan: LauncherPlan) -> list[str]:
    return [shlex.join(["ar_seed", f"login/{number:02}", target]) for number, target in enumerate(plan.login)]


def agent_argv(agent: AgentLaunch) -> tuple[str, ...]:
    """The words that start the agent, with the prompt's path where they name its file."""
    return tuple(word.replace("{prompt_file}", PROMPT) for word in agent.argv)
