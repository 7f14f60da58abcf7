"""A model that speaks the Messages format (Claude Code): asks for one shell command, then says that it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

from tests.e2e.models.loopback import Body, Event, Served, serving


def serve(host: str = "127.0.0.1", port: int = 0, command: str = "true") -> AbstractContextManager[Served]:
    """Serve `/v1/messages`; a conversation that offers a shell gets `command` to run."""

    def answer(path: str, body: Body) -> Iterator[Event] | None:
        return _events(body, command) if path.split("?", maxsplit=1)[0].endswith("/messages") else None

    return serving(answer, host, port)


def _events(body: Body, command: str) -> Iterator[Event]:
    shell = next((tool["name"] for tool in body.get("tools", []) if tool["name"].lower() == "bash"), "")
    asks = bool(shell) and not _was_run(body)
    yield _event("message_start", message=_message(body))
    if asks:
        arguments = json.dumps({"command": command, "description": "The one command of this task"})
        number = len(body["messages"])
        block: Body = {"type": "tool_use", "id": f"toolu_{number:02}", "name": shell, "input": {}}
        yield _event("content_block_start", index=0, content_block=block)
        yield _event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": arguments})
    else:
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "The command has run."})
    yield _event("content_block_stop", index=0)
    reason = "tool_use" if asks else "end_turn"
    yield _event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 7})
    yield _event("message_stop")


def _event(kind: str, **data: object) -> Event:
    return kind, {"type": kind, **data}


def _was_run(body: Body) -> bool:
    contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    return any(part.get("type") == "tool_result" for content in contents for part in content)


def _message(body: Body) -> Body:
    return {
        "id": f"msg_{len(body['messages']):02}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "stub"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 21, "output_tokens": 1},
    }
