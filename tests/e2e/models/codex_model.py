"""A model that speaks the Responses format (Codex): asks for one shell command, then says that it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

from tests.e2e.models.loopback import Body, Event, Served, serving

USAGE = {
    "input_tokens": 21,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 28,
}


def serve(host: str = "127.0.0.1", port: int = 0, command: str = "true") -> AbstractContextManager[Served]:
    """Serve `/v1/responses`; every conversation gets `command` to run."""

    def answer(path: str, body: Body) -> Iterator[Event] | None:
        return _events(body, command) if path.endswith("/responses") else None

    return serving(answer, host, port)


def _events(body: Body, command: str) -> Iterator[Event]:
    number = len(body["input"])
    response = {"id": f"resp_{number}"}
    item = _done(number) if _was_run(body) else _call(body, number, command)
    yield _event("response.created", response=response)
    yield _event("response.output_item.done", output_index=0, item=item)
    yield _event("response.completed", response={**response, "usage": USAGE, "output": [item], "status": "completed"})


def _event(kind: str, **data: object) -> Event:
    return kind, {"type": kind, **data}


def _was_run(body: Body) -> bool:
    return any(item.get("type") == "function_call_output" for item in body["input"])


def _call(body: Body, number: int, command: str) -> Body:
    tools = {tool.get("name") for tool in body.get("tools", [])}
    name, key = ("exec_command", "cmd") if "exec_command" in tools else ("bash", "command")
    arguments = json.dumps({key: command, "description": "The one command of this task"})
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def _done(number: int) -> Body:
    text = {"type": "output_text", "text": "The command has run.", "annotations": []}
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]}
