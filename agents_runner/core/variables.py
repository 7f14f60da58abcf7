"""Rules for environment variables: what a container can be given byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agents_runner.core.errors import InvalidInput

_TELLING = {
    "PATH": "replaces the image's search path: programs that are not in these folders are not found",
    "PYTHONPATH": "makes every Python program load modules from these folders first",
    "PYTHONSTARTUP": "makes Python run a file when it begins",
    "NODE_OPTIONS": "changes how every Node.js program starts",
    "PERL5OPT": "changes how every Perl program starts",
    "RUBYOPT": "changes how every Ruby program starts",
}
_TELLING_PREFIXES = (
    ("LD_", "makes the loader change what every program loads"),
    ("BASH_FUNC_", "defines a function in every Bash"),
    ("GIT_CONFIG", "changes what git is set to"),
)
RESERVED_PREFIX = "AGENTS_RUNNER"
MAX_VALUE_BYTES = 120_000
"""Linux refuses one variable over 131,072 bytes, name and sign included; the rest is headroom."""
MAX_TOTAL_BYTES = 1_500_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# The shell and the engine own these; a value of ours would break the carrying of exports.
OWNED_BY_THE_SHELL = frozenset(
    {"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PWD", "OLDPWD", "SHLVL", "_", "IFS", "PPID", "UID", "EUID"}
)


def check_variable(name: str, value: str) -> None:
    """Refuse a name or value that would not arrive unchanged; errors name the variable."""
    field = f"env_vars.{name}" if name else "env_vars"
    if not _NAME.match(name):
        raise InvalidInput(
            f"{name!r} is not a variable name.",
            "Use letters, digits and _, and do not start with a digit.",
            field=field,
        )
    if name.startswith(RESERVED_PREFIX):
        raise InvalidInput(
            f"{name} is set by Agents Runner itself.", "Choose a name that does not start so.", field=field
        )
    if name in OWNED_BY_THE_SHELL:
        raise InvalidInput(f"{name} belongs to the shell.", "Set it inside a script instead.", field=field)
    if "\0" in value:
        raise InvalidInput(f"The value of {name} holds a NUL character.", "Remove it.", field=field)
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"The value of {name} is not valid Unicode.", "Type it again as plain text.", field=field
        ) from error
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(
            f"The value of {name} has {size:,} bytes; at most {MAX_VALUE_BYTES:,} are possible.",
            "Put it into a file and mount that.",
            field=field,
        )


def remarks_on(variables: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each variable that changes which programs run or what they load, and for whom it holds.

    They are taken: the launcher's own programs do not look at them.
    """
    found: list[str] = []
    for name in variables:
        what = _TELLING.get(name) or next((said for prefix, said in _TELLING_PREFIXES if name.startswith(prefix)), "")
        if what:
            found.append(
                f"{name} {what}. It holds for your scripts and the agent, not for the application's own programs."
            )
    return tuple(found)


def check_variables(variables: Mapping[str, str]) -> None:
    """Check each variable and their sum."""
    total = 0
    for name, value in variables.items():
        check_variable(name, value)
        total += len(name) + len(value.encode("utf-8")) + 2
    if total > MAX_TOTAL_BYTES:
        raise InvalidInput(
            f"The variables have {total:,} bytes together; at most {MAX_TOTAL_BYTES:,} are possible.",
            "Put the large ones into files and mount those.",
            field="env_vars",
        )


def parse_variables(text: str) -> dict[str, str]:
    """`NAME=value` lines as an editor holds them; blank lines and `#` lines are skipped; errors name the line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")  # noqa: PLW2901
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals:
            raise InvalidInput(f"Line {number}: {line.strip()!r} has no '='.", "Write NAME=value.", field="env_vars")
        if name in found:
            raise InvalidInput(f"Line {number}: {name} is set twice.", "Keep one of them.", field="env_vars")
        try:
            check_variable(name, value)
        except InvalidInput as error:
            raise InvalidInput(f"Line {number}: {error.message}", error.hint, field="env_vars") from error
        found[name] = value
    return found
