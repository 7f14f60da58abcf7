"""Variables, mounts, ports and scripts: what is taken, what is refused, and that the refusal names its field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import Mount, check_mounts, parse_mount
from agents_runner.core.ports import Port, parse_port, parse_ports
from agents_runner.core.scripts import check_script, decode_script, interpreter_of, normalise
from agents_runner.core.variables import MAX_VALUE_BYTES, check_variable, parse_variables


@pytest.mark.parametrize(
    "name", ["", "1A", "A B", "A=B", "é", "A-B", "A\n", "AGENTS_RUNNER_X", "BASH_ENV", "PWD", "A\0"]
)
def test_b1_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_variable(name, "x")
    assert caught.value.field.startswith("env_vars")
    assert caught.value.hint


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * (MAX_VALUE_BYTES + 1)])
def test_b1_values_that_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        check_variable("A", value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_b1_every_other_value_is_taken(value: str) -> None:
    check_variable("A_1", value)


def test_variables_as_typed() -> None:
    assert parse_variables("A=1\n\n# note\n B = x=y \r\n") == {"A": "1", "B": " x=y "}
    with pytest.raises(InvalidInput, match="Line 2"):
        parse_variables("A=1\nnonsense")
    with pytest.raises(InvalidInput, match="Line 3: A is set twice"):
        parse_variables("A=1\n\nA=2")


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9]{0,8}", fullmatch=True),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        max_size=8,
    )
)
def test_variables_round_trip_through_the_editor(values: dict[str, str]) -> None:
    values = {
        name: value
        for name, value in values.items()
        if not name.startswith(("PWD", "IFS", "UID", "ENV", "EUID", "PPID"))
    }
    assert parse_variables("\n".join(f"{name}={value}" for name, value in values.items())) == values


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/a:/b", Mount(source="/a", target="/b")),
        ("/a:/b:ro", Mount(source="/a", target="/b", read_only=True)),
        ("/a:/b:rw", Mount(source="/a", target="/b")),
        ("/a:c:/b", Mount(source="/a:c", target="/b")),
        ("/a, b:/b c", Mount(source="/a, b", target="/b c")),
        ("~/x:/b/", Mount(source="~/x", target="/b")),
        ("/ü:/b//c", Mount(source="/ü", target="/b/c")),
    ],
)
def test_b4_mounts_that_are_taken(text: str, mount: Mount) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "/a", "/a:", ":/b", "a:/b", "./a:/b", "/a:b", "/a:/", "/a:/etc", "/a:/proc", "/a:/proc/self",
        "/a:/sys/x", "/a:/dev", "/a:/b/../etc", "/a:/usr", "/a:/run/agents-runner/in", "/a:/b\n", "/a\0:/b",
        "/a:/bin",
    ],
)  # fmt: skip
def test_b4_mounts_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_mount(text)
    assert caught.value.field == "mounts"


def test_b4_targets_must_not_clash() -> None:
    with pytest.raises(InvalidInput, match="used twice"):
        check_mounts([parse_mount("/a:/x"), parse_mount("/b:/x")], "/workspace")
    with pytest.raises(InvalidInput, match="the workspace"):
        check_mounts([parse_mount("/a:/workspace")], "/workspace")
    with pytest.raises(InvalidInput, match="would hide"):
        check_mounts([parse_mount("/a:/work")], "/work/space")
    check_mounts([parse_mount("/a:/workspace/inner"), parse_mount("/b:/x/y"), parse_mount("/c:/x")], "/workspace")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("3000", Port(container=3000, host=3000)),
        ("8080:3000", Port(container=3000, host=8080)),
        ("0:3000", Port(container=3000, host=0)),
        ("127.0.0.1:8080:3000/udp", Port(container=3000, host=8080, protocol="udp")),
        ("localhost:80:80", Port(container=80, host=80)),
        ("[::1]:80:80", Port(container=80, host=80, address="::1")),
        (" 65535 ", Port(container=65535, host=65535)),
    ],
)
def test_b5_ports_that_are_taken(text: str, port: Port) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "65536",
        "-1",
        "80:0",
        "x",
        "80-90",
        "0.0.0.0:80:80",
        "192.168.1.2:80:80",
        "[::]:80:80",
        "80/sctp",
        "1:2:3",
        "80 81",
    ],
)
def test_b5_ports_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_port(text)
    assert caught.value.field == "ports"


def test_b5_the_same_port_twice_is_refused() -> None:
    for texts in (["80", "80:81"], ["8080:80", "80"], ["80", "80"]):
        with pytest.raises(InvalidInput, match="twice"):
            parse_ports(texts)
    assert len(parse_ports(["80", "80/udp", "0:81", "0:82"])) == 4


def test_b2_one_rule_for_line_ends() -> None:
    assert normalise("\ufeffa\r\nb") == "a\nb\n"
    assert normalise("") == ""
    assert normalise("a\n") == "a\n"


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_b2_scripts_that_no_shell_can_read() -> None:
    with pytest.raises(InvalidInput, match="Line 2"):
        check_script("a\nb\0", "run_preflight_script")
    with pytest.raises(InvalidInput, match="Line 3 of the script is not UTF-8"):
        decode_script(b"a\nb\n\xff", "run_preflight_script")
    assert decode_script("é".encode(), "x") == "é"


@pytest.mark.parametrize(
    ("first", "kind", "words"),
    [
        ("echo", "default", ()),
        ("#!/bin/bash", "bash", ()),
        ("#!/usr/bin/env bash", "bash", ()),
        ("#! /bin/bash -eu\r", "bash", ("-eu",)),
        ("#!/bin/sh", "sh", ()),
        ("#!/usr/bin/python3", "other", ("/usr/bin/python3",)),
        ("#!/usr/bin/env -S python3 -u", "other", ("python3", "-u")),
        ("#!/usr/bin/awk -f", "other", ("/usr/bin/awk", "-f")),
        ("#!", "default", ()),
    ],
)
def test_interpreters(first: str, kind: str, words: tuple[str, ...]) -> None:
    found = interpreter_of(first + "\nrest")
    assert (found.kind, found.words) == (kind, words)
