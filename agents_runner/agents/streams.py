"""Reading an agent's JSON event stream: what it said and did, in words.

Kinds of messages: message, thought, command (what it runs), result (how that ended), change, usage, warning, error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agents_runner.core.events import AgentMessage

MAX_TEXT = 20_000
_ABOUT = ("file_path", "path", "pattern", "query", "url", "description", "prompt")
"""Arguments of a tool that say best what it is used on."""
Messages = tuple[AgentMessage, ...]
Reader = Callable[[Mapping[str, Any]], Messages]


def read_event(agent: str, line: str) -> Messages:
    """The messages in one line of an agent's output; () for everything that is none. Never raises."""
    reader = READERS.get(agent)
    if reader is None or not line.startswith("{"):
        return ()
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return reader(value) if isinstance(value, dict) else ()


# -- parts of values that may be anything -------------------------------------------------------------------


def _say(kind: str, text: object) -> Messages:
    if not isinstance(text, str) or not text.strip():
        return ()
    # A half of a surrogate pair can stand in JSON, but in no file and no window.
    clean = text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    return (AgentMessage(kind=kind, text=clean),)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _maps(value: object) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: object, default: str = "") -> str:
    return value if isinstance(value, str) else default


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _tokens(usage: object) -> Messages:
    """Both ways' tokens; the three readers' formats name them alike."""
    counts = _map(usage)
    into, out = _count(counts.get("input_tokens")), _count(counts.get("output_tokens"))
    return _say("usage", f"{into} tokens in, {out} tokens out") if into or out else ()


def _call(name: object, arguments: object) -> Messages:
    """A tool's call: for a shell the command alone, else the tool's name and what it is about."""
    inner = _map(arguments)
    command = inner.get("command")
    if isinstance(command, str):
        return _say("command", command)
    about = next((inner[key] for key in _ABOUT if isinstance(inner.get(key), str)), "")
    return _say("command", f"{_word(name, 'tool')} {about}".strip())


def _result(ok: bool, text: object) -> Messages:
    first = next((line for line in _word(text).splitlines() if line.strip()), "")
    return _say("result", "ok" if ok else f"failed: {first}" if first else "failed")


# -- one reader an agent ------------------------------------------------------------------------------------


def _codex(event: Mapping[str, Any]) -> Messages:
    match event.get("type"):
        case "item.started":
            return _codex_started(_map(event.get("item")))
        case "item.completed":
            return _codex_completed(_map(event.get("item")))
        case "turn.completed":
            return _tokens(event.get("usage"))
        case "turn.failed":
            return _say("error", _map(event.get("error")).get("message"))
        case "error":
            return _say("error", event.get("message"))
    return ()


def _codex_started(item: Mapping[str, Any]) -> Messages:
    match item.get("type"):
        case "command_execution":
            return _say("command", item.get("command"))
        case "mcp_tool_call":
            return _say("command", f"{_word(item.get('server'))} {_word(item.get('tool'))}".strip())
        case "web_search":
            return _say("command", f"web search {_word(item.get('query'))}".strip())
    return ()


def _codex_completed(item: Mapping[str, Any]) -> Messages:
    match item.get("type"):
        case "command_execution":
            code = item.get("exit_code")
            ok = code == 0 and item.get("status") != "failed"
            return _result(ok, f"exit code {code}" if isinstance(code, int) else item.get("status"))
        case "mcp_tool_call":
            return _result(item.get("status") != "failed", _map(item.get("error")).get("message"))
        case "file_change":
            changes = _maps(item.get("changes"))
            words = [f"{_word(one.get('kind'), 'change')} {_word(one.get('path'))}".strip() for one in changes]
            return _say("change", ", ".join(words))
        case "error":
            return _say("warning", item.get("message"))
        case "agent_message" | "reasoning" as kind:
            return _say("message" if kind == "agent_message" else "thought", item.get("text"))
    return ()


def _claude(event: Mapping[str, Any]) -> Messages:
    match event.get("type"):
        case "assistant" | "user":
            parts = _maps(_map(event.get("message")).get("content"))
            role = event["type"]
            return tuple(message for part in parts for message in _claude_part(role, part))
        case "result":
            failed = event.get("is_error") is True
            return _tokens(event.get("usage")) + (_say("error", _claude_error(event)) if failed else ())
    return ()


def _claude_part(role: str, part: Mapping[str, Any]) -> Messages:
    match role, part.get("type"):
        case "assistant", "text":
            return _say("message", part.get("text"))
        case "assistant", "thinking":
            return _say("thought", part.get("thinking"))
        case "assistant", "tool_use":
            return _call(part.get("name"), part.get("input"))
        case "user", "tool_result":
            return _result(part.get("is_error") is not True, part.get("content"))
    return ()


def _claude_error(event: Mapping[str, Any]) -> str:
    errors = event.get("errors")
    texts = [one for one in errors if isinstance(one, str)] if isinstance(errors, list) else []
    return _word(event.get("result")) or "; ".join(texts) or _word(event.get("subtype"), "failed")


def _gemini(event: Mapping[str, Any]) -> Messages:
    match event.get("type"):
        case "message" if event.get("role") == "assistant":
            return _say("message", event.get("content"))
        case "tool_use":
            return _call(event.get("tool_name"), event.get("parameters"))
        case "tool_result":
            return _gemini_result(event)
        case "error":
            return _say("warning" if event.get("severity") == "warning" else "error", event.get("message"))
        case "result":
            failed = event.get("status") == "error"
            why = _say("error", _map(event.get("error")).get("message") or "failed") if failed else ()
            return _tokens(event.get("stats")) + why
    return ()


def _gemini_result(event: Mapping[str, Any]) -> Messages:
    if event.get("status") == "success":
        # So it says as well of a shell command with another exit code than 0.
        return _say("result", "done")
    return _result(False, _map(event.get("error")).get("message") or event.get("output"))


def _copilot(event: Mapping[str, Any]) -> Messages:
    data = _map(event.get("data"))
    match event.get("type"):
        case "assistant.message" | "assistant.reasoning" as kind:
            return _say("message" if kind == "assistant.message" else "thought", data.get("content"))
        case "tool.execution_start":
            return _call(data.get("toolName"), data.get("arguments"))
        case "tool.execution_complete":
            return _copilot_result(data)
        case "session.error":
            return _say("error", data.get("message"))
        case "result":
            requests = _count(_map(event.get("usage")).get("premiumRequests"))
            return _say("usage", f"{requests} premium requests") if requests else ()
    return ()


def _copilot_result(data: Mapping[str, Any]) -> Messages:
    if data.get("success") is not True:
        return _result(False, _map(data.get("error")).get("message"))
    code = _map(data.get("shellExecution")).get("exitCode", 0)
    return _result(code == 0, f"exit code {code}" if isinstance(code, int) else "")


READERS: dict[str, Reader] = {"codex": _codex, "claude": _claude, "gemini": _gemini, "copilot": _copilot}
