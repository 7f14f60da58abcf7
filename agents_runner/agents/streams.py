"""Reading an agent's JSON event stream: what it said and did, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from agents_runner.core.events import AgentMessage

MAX_TEXT = 20_000
Reader = Callable[[Mapping[str, Any]], tuple[AgentMessage, ...]]


def read_event(agent: str, line: str) -> tuple[AgentMessage, ...]:
    """The messages in one line of an agent's output; () for everything that is none. Never raises."""
    reader = READERS.get(agent)
    if reader is None or not line.startswith("{"):
        return ()
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return reader(value) if isinstance(value, dict) else ()


def _text(kind: str, value: object) -> tuple[AgentMessage, ...]:
    if not isinstance(value, str) or not value.strip():
        return ()
    return (AgentMessage(kind=kind, text=value[:MAX_TEXT]),)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _usage(value: object) -> tuple[AgentMessage, ...]:
    counts = [f"{name.replace('_', ' ')} {count}" for name, count in _map(value).items() if isinstance(count, int)]
    return _text("usage", ", ".join(counts))


def _codex(event: Mapping[str, Any]) -> tuple[AgentMessage, ...]:
    kind = event.get("type")
    if kind == "item.completed":
        return _codex_item(_map(event.get("item")))
    if kind == "turn.completed":
        return _usage(event.get("usage"))
    if kind in ("turn.failed", "error"):
        return _text("error", _map(event.get("error")).get("message") or event.get("message"))
    return ()


def _codex_item(item: Mapping[str, Any]) -> tuple[AgentMessage, ...]:
    kind = item.get("type")
    if kind == "command_execution":
        code = item.get("exit_code")
        end = f" (exit {code})" if isinstance(code, int) else ""
        return _text("command", f"{item.get('command') or ''}{end}")
    if kind == "error":
        return _text("error", item.get("message"))
    words = {"agent_message": "message", "reasoning": "thought"}
    return _text(words[kind], item.get("text")) if kind in words else ()


def _claude(event: Mapping[str, Any]) -> tuple[AgentMessage, ...]:
    kind = event.get("type")
    if kind == "assistant":
        found: tuple[AgentMessage, ...] = ()
        for part in map(_map, _list(_map(event.get("message")).get("content"))):
            if part.get("type") == "text":
                found += _text("message", part.get("text"))
            elif part.get("type") == "tool_use":
                inner = _map(part.get("input"))
                found += _text(
                    "command", f"{part.get('name') or 'tool'}: {inner.get('command') or inner.get('file_path') or ''}"
                )
        return found
    if kind == "result":
        if event.get("is_error"):
            return _text("error", event.get("result"))
        return _usage(event.get("usage"))
    return ()


def _gemini(event: Mapping[str, Any]) -> tuple[AgentMessage, ...]:
    kind = event.get("type")
    if kind == "message" and event.get("role") == "assistant":
        return _text("message", event.get("content"))
    if kind == "tool_use":
        inner = _map(event.get("parameters"))
        return _text(
            "command", f"{event.get('tool_name') or 'tool'}: {inner.get('command') or inner.get('file_path') or ''}"
        )
    if kind == "error":
        return _text("error", event.get("message"))
    if kind == "result":
        return _usage(event.get("stats"))
    return ()


READERS: dict[str, Reader] = {"codex": _codex, "claude": _claude, "gemini": _gemini}
