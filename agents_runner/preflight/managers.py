"""Every package manager that is known, by the name of its program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agents_runner.preflight.manager import Manager
from agents_runner.preflight.managers_languages import LANGUAGES
from agents_runner.preflight.managers_node import NODE
from agents_runner.preflight.managers_system import SYSTEM
from agents_runner.preflight.managers_versions import VERSIONS

MANAGERS: tuple[Manager, ...] = (*SYSTEM, *LANGUAGES, *NODE, *VERSIONS)

BY_PROGRAM: Mapping[str, Manager] = MappingProxyType(
    {program: manager for manager in MANAGERS for program in manager.programs}
)
"""The manager of a program name."""
