"""A model that speaks the GenerateContent format (Gemini): asks for one shell command, then says that it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from tests.e2e.models.loopback import Body, Event, Served, serving

SHELL = "run_shell_command"


def serve(host: str = "127.0.0.1", port: int = 0, command: str = "true") -> AbstractContextManager[Served]:
    """Serve `...:streamGenerateContent`; a conversation that offers a shell gets `command` to run."""

    def answer(path: str, body: Body) -> Iterator[Event] | None:
        return _events(body, command) if ":streamGenerateContent" in path else None

    return serving(answer, host, port)


def _events(body: Body, command: str) -> Iterator[Event]:
    parts = [part for content in body["contents"] for part in content.get("parts", [])]
    offered = any(one["name"] == SHELL for tool in body.get("tools", []) for one in tool["functionDeclarations"])
    if offered and not any("functionResponse" in part for part in parts):
        arguments = {"command": command, "description": "The one command of this task"}
        part: Body = {"functionCall": {"name": SHELL, "args": arguments}}
    else:
        part = {"text": "The command has run."}
    usage = {"promptTokenCount": 21, "candidatesTokenCount": 7, "totalTokenCount": 28}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    yield "", {"candidates": [candidate], "usageMetadata": usage}
