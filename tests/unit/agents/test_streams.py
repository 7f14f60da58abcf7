"""Agents' event streams, as the real programs wrote them, read in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents_runner.agents.streams import MAX_TEXT, READERS, read_event

DATA = Path(__file__).parent / "data"
"""Recorded: each agent doing a task that runs one command, one whose command fails, one whose model is missing."""
MADE = "echo made >made.txt; cat made.txt"
OOPS = "echo oops >&2; exit 3"
SAID = ("message", "The command has run.")
USED = ("usage", "42 tokens in, 14 tokens out")
STUB = (
    "warning",
    "Model metadata for `stub` not found. "
    "Defaulting to fallback metadata; this can degrade performance and cause issues.",
)
MISSING = "unexpected status 404 Not Found: {}, url: http://127.0.0.1:4321/v1/responses"
CLAUDE_MISSING = (
    "There's an issue with the selected model (claude-opus-5-5). It may not exist or you may not have access to it. "
    "Run --model to pick a different model."
)
COPILOT_MISSING = (
    "Model 'gpt-5.4' not found on provider at http://127.0.0.1:4321/v1 (HTTP 404).\n"
    "  Check that the model is available on your provider."
)
RECORDED = {
    "codex_done": [STUB, ("command", f"/bin/bash -lc '{MADE}'"), ("result", "ok"), SAID, USED],
    "codex_command_failed": [
        STUB,
        ("command", f"/bin/bash -lc '{OOPS}'"),
        ("result", "failed: exit code 3"),
        SAID,
        USED,
    ],
    "codex_model_failed": [
        STUB,
        ("error", f"Reconnecting... 1/1 ({MISSING})"),
        ("error", MISSING),
        ("error", MISSING),
    ],
    "claude_done": [("command", MADE), ("result", "ok"), SAID, USED],
    "claude_command_failed": [("command", OOPS), ("result", "failed: Exit code 3"), SAID, USED],
    "claude_model_failed": [("message", CLAUDE_MISSING), ("error", CLAUDE_MISSING)],
    "copilot_done": [("command", MADE), ("result", "ok"), SAID],
    "copilot_command_failed": [("command", OOPS), ("result", "failed: exit code 3"), SAID],
    "copilot_model_failed": [("error", COPILOT_MISSING)],
    "gemini_done": [("command", MADE), ("result", "done"), SAID, USED],
    "gemini_command_failed": [("command", OOPS), ("result", "done"), SAID, USED],
    "gemini_model_failed": [("error", "[API Error: {}]")],
}


def read(agent: str, *events: object) -> list[tuple[str, str]]:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return [(message.kind, message.text) for line in lines for message in read_event(agent, line)]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_streams(name: str) -> None:
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert read(name.split("_", maxsplit=1)[0], *lines) == RECORDED[name]


def test_every_recording_is_looked_at() -> None:
    assert {path.stem for path in DATA.glob("*.jsonl")} == set(RECORDED)
    assert {name.split("_", maxsplit=1)[0] for name in RECORDED} == set(READERS)


def test_codex_items() -> None:
    def item(kind: str, state: str = "completed", **fields: object) -> dict[str, object]:
        return {"type": f"item.{state}", "item": {"type": kind, **fields}}

    changes = [{"path": "a.py", "kind": "update"}, {"path": "b.py", "kind": "add"}, "?", {}]
    assert read(
        "codex",
        item("reasoning", text="Let me think."),
        item("file_change", changes=changes),
        item("mcp_tool_call", "started", server="tracker", tool="search"),
        item("mcp_tool_call", status="failed", error={"message": "no such thing\nmore"}),
        item("mcp_tool_call", status="completed"),
        item("web_search", "started", query="how to"),
        item("command_execution", exit_code=None, status="declined"),
        item("todo_list", items=[]),
        {"type": "turn.failed", "error": {"message": "quota"}},
    ) == [
        ("thought", "Let me think."),
        ("change", "update a.py, add b.py, change"),
        ("command", "tracker search"),
        ("result", "failed: no such thing"),
        ("result", "ok"),
        ("command", "web search how to"),
        ("result", "failed: declined"),
        ("error", "quota"),
    ]


def test_claude_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "name": "Read", "input": {"file_path": "/workspace/a.py"}},
        {"type": "tool_use", "name": "TodoWrite", "input": {"todos": []}},
    ]
    results = [{"type": "tool_result", "is_error": True, "content": [{"type": "text", "text": "no"}]}]
    assert read(
        "claude",
        {"type": "assistant", "message": {"content": parts}},
        {"type": "user", "message": {"content": results}},
        {"type": "user", "message": {"content": "a prompt is no message"}},
        {"type": "result", "is_error": True, "subtype": "error_max_turns", "usage": {"input_tokens": True}},
        {"type": "result", "is_error": True, "errors": ["one", 2, "three"]},
    ) == [
        ("thought", "Hm."),
        ("message", "One moment."),
        ("command", "Read /workspace/a.py"),
        ("command", "TodoWrite"),
        ("result", "failed"),
        ("error", "error_max_turns"),
        ("error", "one; three"),
    ]


def test_gemini_events() -> None:
    assert read(
        "gemini",
        {"type": "message", "role": "user", "content": "a prompt is no message"},
        {"type": "tool_result", "status": "error", "error": {"message": "denied"}},
        {"type": "error", "severity": "warning", "message": "loop"},
        {"type": "error", "severity": "error", "message": "end"},
        {"type": "result", "status": "error"},
    ) == [("result", "failed: denied"), ("warning", "loop"), ("error", "end"), ("error", "failed")]


def test_copilot_events() -> None:
    denied = {"success": False, "error": {"message": "Permission denied."}}
    assert read(
        "copilot",
        {"type": "assistant.reasoning", "data": {"content": "Hm."}},
        {"type": "tool.execution_start", "data": {"toolName": "view", "arguments": {"path": "/workspace"}}},
        {"type": "tool.execution_complete", "data": denied},
        {"type": "tool.execution_complete", "data": {"success": True}},
        {"type": "result", "usage": {"premiumRequests": 2}},
    ) == [
        ("thought", "Hm."),
        ("command", "view /workspace"),
        ("result", "failed: Permission denied."),
        ("result", "ok"),
        ("usage", "2 premium requests"),
    ]


def test_a_long_text_is_cut() -> None:
    event = {"type": "item.completed", "item": {"type": "agent_message", "text": "x" * (MAX_TEXT + 5)}}
    assert read("codex", event) == [("message", "x" * MAX_TEXT)]


def test_a_text_can_always_be_written() -> None:
    line = '{"type": "item.completed", "item": {"type": "agent_message", "text": "half \\ud83d a pair"}}'
    assert read("codex", line) == [("message", "half ? a pair")]


@pytest.mark.parametrize("agent", [*READERS, "shell", "demo", "mytool", ""])
@pytest.mark.parametrize(
    "line", ["", "plain text", "{", "{}", "[]", "null", "{" * 100_000, '{"type": 1e999}', "9" * 9_000]
)
def test_what_is_no_event_says_nothing(agent: str, line: str) -> None:
    assert read_event(agent, line) == ()


KEYS = """
type item message content data usage stats error errors result status success exit_code is_error input arguments
parameters command changes text role name shellExecution exitCode input_tokens output_tokens premiumRequests
toolName severity kind
"""
TYPES = """
item.started item.completed turn.completed turn.failed error assistant user result message tool_use tool_result
text thinking assistant.message tool.execution_start tool.execution_complete session.error command_execution
mcp_tool_call file_change agent_message web_search
"""
A_KEY, A_TYPE = st.sampled_from(KEYS.split()), st.sampled_from(TYPES.split())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | A_TYPE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(A_KEY, inner, max_size=6),
    max_leaves=20,
)


@given(agent=st.sampled_from(sorted(READERS)), event=st.dictionaries(A_KEY, ANYTHING, max_size=6), kind=A_TYPE)
@example(agent="claude", event={"message": {"content": [[], None, {"type": []}]}}, kind="assistant")
@example(agent="codex", event={"item": {"type": {}, "text": 1}}, kind="item.completed")
def test_malformed_events_never_raise(agent: str, event: dict[str, object], kind: str) -> None:
    for one in (event, event | {"type": kind}):
        for message in read_event(agent, json.dumps(one)):
            assert message.text.strip()
            message.text.encode("utf-8")


@given(agent=st.sampled_from(sorted(READERS)), line=st.text(max_size=80))
def test_malformed_lines_never_raise(agent: str, line: str) -> None:
    read_event(agent, line)
    read_event(agent, "{" + line)
