"""The Debian base image for tests with real packages: debootstrap once, its tarball kept, imported with the CAs."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agents_runner.engine.port import Engine

PACKAGES = "bash,ca-certificates,sudo,curl,procps"
SUITE = "bookworm"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def cache_folder() -> Path:
    return Path(os.environ.get("AGENTS_RUNNER_TEST_CACHE") or Path.home() / ".cache" / "agents-runner-tests")


def tarball() -> Path:
    """The root file system as a tar file, made if it is not in the cache folder."""
    path = cache_folder() / f"debian-{SUITE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="agents-runner-debian-", dir="/var/tmp"))
    part = path.with_suffix(".part")
    try:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode:
            raise RuntimeError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
        subprocess.run(["tar", "-C", str(folder), "-cf", str(part), "."], check=True)
        part.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        part.unlink(missing_ok=True)
    return path


def _with_certificates(path: Path) -> Iterator[bytes]:
    """The tar, with the host's certificates in place of its own: a proxy's may be needed to reach the registries."""
    overlay = io.BytesIO()
    with tarfile.open(fileobj=overlay, mode="w") as tar:
        data = BUNDLE.read_bytes() if BUNDLE.exists() else b""
        entry = tarfile.TarInfo("etc/ssl/certs/ca-certificates.crt")
        entry.size, entry.mode = len(data), 0o644
        if data:
            tar.addfile(entry, io.BytesIO(data))
    with tempfile.NamedTemporaryFile(suffix=".tar") as copy:
        shutil.copyfile(path, copy.name)
        with tempfile.NamedTemporaryFile(suffix=".tar") as extra:
            Path(extra.name).write_bytes(overlay.getvalue())
            member = "./etc/ssl/certs/ca-certificates.crt"
            subprocess.run(["tar", "--delete", "-f", copy.name, member], check=False, capture_output=True)
            subprocess.run(["tar", "--concatenate", "-f", copy.name, extra.name], check=True)
        with Path(copy.name).open("rb") as file:
            while block := file.read(1 << 20):
                yield block


def debian_base(engine: Engine) -> str:
    """The base image's name; imported if the engine has it not."""
    path = tarball()
    bundle = hashlib.sha256(BUNDLE.read_bytes() if BUNDLE.exists() else b"").hexdigest()
    content = hashlib.sha256(f"{path.name}{path.stat().st_size}{bundle}".encode()).hexdigest()
    ref = f"agents-runner-test-debian:{content[:12]}"
    if engine.find_image(ref) is None:
        changes = [
            "LABEL agents-runner.test=base",
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        engine.import_image(_with_certificates(path), ref, changes)
    return ref
