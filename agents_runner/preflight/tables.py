"""Small helpers for literal tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def does(**groups: str) -> Mapping[str, str]:
    """`install="add tool_install _"` to {"add": "install", "tool install": "install", "": "install"}."""
    return MappingProxyType(
        {phrase.replace("_", " ").strip(): action for action, text in groups.items() for phrase in text.split()}
    )
