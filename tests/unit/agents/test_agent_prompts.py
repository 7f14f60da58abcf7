"""A prompt reaches each agent's program byte for byte, and is in no argument."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.agents import registry
from agents_runner.core.settings import CustomAgent, Settings
from tests.unit.agents.stubs import Container

OWN = Settings(
    agents={"mytool": CustomAgent(argv=("mytool", "--file", "{prompt_file}")), "piped": CustomAgent(argv=("piped",))}
)
PIPED = ("codex", "claude", "copilot", "gemini", "piped")
KIB = 1024
PROMPTS = {
    "quotes": b"it's a \"quoted\" 'prompt' \\ \\n \\' \\\"",
    "commands": b"`touch canary` $(touch canary) ${IFS} $HOME; touch canary & | > canary < /dev/null",
    "lines": b"first\n\n  third\ttab\r\nCRLF\n\n\n",
    "no line end": b"no line end",
    "dashes": b"--help -p -rf -- - {args} {prompt_file}",
    "one dash": b"-",
    "right to left": "שלום עולם \u202e\u2066 العربية".encode(),
    "emoji": "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \u00a0\u2028".encode(),
    "controls": bytes(range(1, 32)) + b"\x7f",
    "not even text": bytes(range(256)),
    "127 KiB": b"x" * (127 * KIB),
    "128 KiB": b"y" * (128 * KIB),
    "129 KiB": b"z" * (129 * KIB),
    "1 MiB": b"".join(b"%07d 'line' $(id) `id`\n" % number for number in range(44_000))[: KIB * KIB],
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
@pytest.mark.parametrize("name", PIPED)
def test_b3_a_program_is_given_the_prompts_bytes(name: str, prompt: bytes, tmp_path: Path) -> None:
    container = Container(folder=tmp_path).make()
    container.stub(name)
    launch = registry.launch(registry.resolve(name, OWN), args=("--model", "a b"), home=tmp_path, environ={})
    assert container.start(launch, prompt).code == 0
    arguments, received = container.given()
    assert received == prompt
    assert arguments == list(launch.argv[1:])
    assert list(container.workspace.iterdir()) == []


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_b3_a_program_that_wants_a_file_is_given_its_path(prompt: bytes, tmp_path: Path) -> None:
    container = Container(folder=tmp_path).make()
    container.stub("mytool")
    launch = registry.launch(registry.resolve("mytool", OWN), args=(), home=tmp_path, environ={})
    assert container.start(launch, prompt).code == 0
    arguments, _ = container.given()
    assert arguments == ["--file", str(tmp_path / "in/prompt")]
    assert Path(arguments[1]).read_bytes() == prompt


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(PIPED), prompt=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_b3_whatever_the_prompt(name: str, prompt: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        container = Container(folder=Path(folder)).make()
        container.stub(name)
        launch = registry.launch(registry.resolve(name, OWN), args=(), home=Path(folder), environ={})
        assert container.start(launch, prompt).code == 0
        assert container.given() == (list(launch.argv[1:]), prompt)
        assert list(container.workspace.iterdir()) == []
