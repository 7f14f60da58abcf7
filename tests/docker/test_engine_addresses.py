"""Engines elsewhere: over TCP with certificates, behind ssh, by a Docker context; a task works on each."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agents_runner.core.errors import EngineTooOld, EngineUnreachable
from agents_runner.engine.docker_engine import DockerEngine, connect
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli

HERE = os.environ.get("DOCKER_HOST", "")
SOCKET = HERE.removeprefix("unix://") if HERE.startswith("unix://") else "/var/run/docker.sock"


def pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (target, source):
        with suppress(OSError):
            end.shutdown(socket.SHUT_WR if end is target else socket.SHUT_RD)


@contextmanager
def forwarding(listener: socket.socket, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Hand every connection over to the engine's socket."""

    def serve(raw: socket.socket) -> None:
        try:
            client = context.wrap_socket(raw, server_side=True) if context else raw
        except (ssl.SSLError, OSError):
            raw.close()
            return
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(SOCKET)
        back = threading.Thread(target=pipe, args=(engine, client), daemon=True)
        back.start()
        pipe(client, engine)
        back.join()
        engine.close()
        client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    listener.listen()
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test-ca",
            "-keyout", f"{folder}/ca-key.pem", "-out", f"{folder}/ca.pem")  # fmt: skip
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        key, request, cert = f"{folder}/{name}-key.pem", f"{folder}/{name}.csr", f"{folder}/{name}.pem"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca-key.pem",
                "-CAcreateserial", "-days", "2", "-extfile", f"{folder}/ext", "-out", cert)  # fmt: skip
    (folder / "cert.pem").write_bytes((folder / "client.pem").read_bytes())
    (folder / "key.pem").write_bytes((folder / "client-key.pem").read_bytes())
    return folder


@pytest.fixture
def tls_engine(engine: DockerEngine, certificates: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    with forwarding(listener, context):
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def run_task_on(cli: Cli, make_environment: MakeEnvironment) -> None:
    script = '[ -n "$(cat /run/secrets/TOKEN)" ] || exit 1\necho made >/made; export A=1\n'
    name = make_environment("elsewhere", workspace="none", cached_preflight_script=script)
    stages = ("--stage", "build", "--stage", "agent")
    cli("env", "secret", "set", name, "TOKEN", *stages, "--storage", "file", input="value\nfrom afar")
    for cache in ("built", "hit"):
        prompt = 'wc -c </run/secrets/TOKEN; cat /made; echo "A=$A"; cat; exit 4'
        done = cli("run", name, prompt, "--json", check=False)
        assert done.out.startswith('{"event'), done.out
        assert done.phase("build.env")["cache"] == cache
        assert done.log[-3:] == ["15", "made", "A=1"]
        assert done.code == 4
    cli("clean")


def test_tcp_with_certificates(
    tls_engine: str,
    certificates: Path,
    ar_home: Path,
    make_environment: MakeEnvironment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", tls_engine)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
    run_task_on(Cli(home=ar_home), make_environment)


def test_a_wrong_certificate_is_named(tls_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    with pytest.raises(EngineUnreachable) as caught:
        connect(tls_engine)
    assert caught.value.hint


def test_a_docker_context(
    engine: DockerEngine,
    ar_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_environment: MakeEnvironment,
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "other.sock"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with forwarding(listener):
        host = f"host=unix://{tmp_path}/other.sock"
        subprocess.run(["docker", "context", "create", "other", "--docker", host], check=True, capture_output=True)
        subprocess.run(["docker", "context", "use", "other"], check=True, capture_output=True)
        checks = Cli(home=ar_home)("doctor", "--json").json["checks"]
        assert f"{tmp_path}/other.sock" in next(one["text"] for one in checks if one["name"] == "engine")
        run_task_on(Cli(home=ar_home), make_environment)


FAKE_SSH = """#!/usr/bin/env python3
# Stands in for the ssh program: forwards the local socket to the engine's, as `ssh -L` would.
import socket, sys, threading
at = sys.argv.index("-L")
local, remote = sys.argv[at + 1].split(":")
assert sys.argv[-1] == "me@engine.example", sys.argv
def pipe(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError: pass
listener = socket.socket(socket.AF_UNIX); listener.bind(local); listener.listen()
while True:
    client, _ = listener.accept()
    engine = socket.socket(socket.AF_UNIX); engine.connect(remote)
    threading.Thread(target=pipe, args=(client, engine), daemon=True).start()
    threading.Thread(target=pipe, args=(engine, client), daemon=True).start()
"""


def test_behind_ssh(
    engine: DockerEngine,
    ar_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_environment: MakeEnvironment,
) -> None:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(FAKE_SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@engine.example")
    run_task_on(Cli(home=ar_home), make_environment)
    program.write_text("#!/bin/sh\necho 'me@engine.example: Permission denied (publickey).' >&2\nexit 255\n")
    with pytest.raises(EngineUnreachable, match="Permission denied"):
        connect("ssh://me@engine.example")


def test_an_engine_that_is_too_old_is_named() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.recv(65536)
            body = json.dumps({"ApiVersion": "1.24", "Version": "1.12"}).encode()
            client.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            client.close()

    threading.Thread(target=answer, daemon=True).start()
    try:
        with pytest.raises(EngineTooOld) as caught:
            connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        assert "1.24" in caught.value.message
        assert "20.10" in caught.value.hint
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
