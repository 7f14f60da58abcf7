"""Where values are kept: the keyring in its moods, the private file, and changing between them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keyring
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend

from agents_runner.core.errors import StoreError
from agents_runner.core.secret_stages import SecretStorage
from agents_runner.store.secret_values import ChosenSecrets, FileSecrets, KeyringSecrets
from tests.support.rings import ForgetfulRing, HungRing, LockedRing, MemoryRing

Use = Callable[[KeyringBackend], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    return lambda ring: monkeypatch.setattr(keyring, "get_keyring", lambda: ring)


@pytest.fixture
def file(tmp_path: Path) -> FileSecrets:
    return FileSecrets(folder=tmp_path / "secrets", damaged=tmp_path / "damaged")


@pytest.mark.parametrize("where", ["keyring", "file"])
def test_s3_values_are_kept_found_and_deleted(where: str, use: Use, file: FileSecrets) -> None:
    use(MemoryRing())
    store = KeyringSecrets(instance="i") if where == "keyring" else file
    store.delete("e", "A")
    assert store.get("e", "A") is None
    store.set("e", "A", "one\ntwo ü\n")
    store.set("e", "B", "other")
    store.set("f", "A", "another's")
    assert (store.get("e", "A"), store.get("f", "A")) == ("one\ntwo ü\n", "another's")
    store.delete("e", "A")
    assert (store.get("e", "A"), store.get("e", "B")) == (None, "other")


def test_s3_another_set_of_files_has_other_values(use: Use) -> None:
    use(MemoryRing())
    KeyringSecrets(instance="i").set("e", "A", "value")
    assert KeyringSecrets(instance="j").get("e", "A") is None


class PlainRing(MemoryRing):
    """Like the keyrings.alt package's, which keep plain text in a file."""


PlainRing.__module__ = "keyrings.alt.file"


@pytest.mark.parametrize(
    "ring",
    [keyring.backends.fail.Keyring(), keyring.backends.null.Keyring(), PlainRing()],
    ids=["fail", "null", "plain"],
)
def test_s3_plain_text_is_never_chosen_silently(ring: KeyringBackend, use: Use) -> None:
    use(ring)
    with pytest.raises(StoreError) as raised:
        KeyringSecrets(instance="i").set("e", "A", "the-value-itself")
    assert "--storage file" in raised.value.hint
    assert "the-value-itself" not in str(raised.value)
    assert not getattr(ring, "kept", None)


def test_s3_of_several_keyrings_a_safe_one_is_taken(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, good = PlainRing(), MemoryRing()
    chain = keyring.backends.chainer.ChainerBackend()
    monkeypatch.setattr(type(chain), "backends", [plain, good])
    use(chain)
    KeyringSecrets(instance="i").set("e", "A", "value")
    assert good.kept
    assert not plain.kept


@pytest.mark.parametrize("ring", [LockedRing(), ForgetfulRing()], ids=["locked", "forgetful"])
def test_s3_a_keyring_that_fails_is_named_and_the_value_is_not(ring: KeyringBackend, use: Use) -> None:
    use(ring)
    with pytest.raises(StoreError) as raised:
        KeyringSecrets(instance="i").set("e", "A", "the-value-itself")
    assert "the-value-itself" not in f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"


def test_s3_a_keyring_that_never_answers_is_given_up(use: Use) -> None:
    ring = HungRing()
    use(ring)
    began = time.monotonic()
    with pytest.raises(StoreError, match="did not answer"):
        KeyringSecrets(instance="i", limit_s=0.1).get("e", "A")
    assert time.monotonic() - began < 5
    ring.answer.set()


def test_s3_the_file_is_private_and_goes_with_its_last_value(file: FileSecrets) -> None:
    old = os.umask(0)
    try:
        file.set("e", "A", "value")
    finally:
        os.umask(old)
    path = file.folder / "e.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.folder.stat().st_mode) == 0o700
    file.delete("e", "A")
    assert not path.exists()


def test_s3_a_file_that_cannot_be_read_is_moved_aside(file: FileSecrets) -> None:
    file.set("e", "A", "value")
    (file.folder / "e.json").write_bytes(b'{"A": "val')
    assert file.get("e", "A") is None
    assert [path.read_bytes() for path in file.damaged.iterdir()] == [b'{"A": "val']


@dataclass
class SettingsInMemory:
    """See `StorageChoice`."""

    secret_storage: SecretStorage

    def load(self) -> SettingsInMemory:
        return self


def test_s3_changing_the_place_loses_no_value(use: Use, file: FileSecrets) -> None:
    use(MemoryRing())
    ring = KeyringSecrets(instance="i")
    chosen = SettingsInMemory("keyring")
    both = ChosenSecrets(keyring=ring, file=file, settings=chosen)
    both.set("e", "A", "one")
    both.set("e", "B", "two")
    chosen.secret_storage = "file"
    assert both.get("e", "A") == "one"
    both.set("e", "A", "new")
    assert (ring.get("e", "A"), file.get("e", "A")) == (None, "new")
    chosen.secret_storage = "keyring"
    both.delete("e", "A")
    both.delete("e", "B")
    assert [one.get("e", name) for one in (ring, file) for name in "AB"] == [None] * 4


def test_s3_without_a_keyring_a_chosen_file_is_enough(use: Use, file: FileSecrets) -> None:
    use(keyring.backends.fail.Keyring())
    both = ChosenSecrets(keyring=KeyringSecrets(instance="i"), file=file, settings=SettingsInMemory("file"))
    assert both.get("e", "A") is None
    both.set("e", "A", "value")
    assert both.get("e", "A") == "value"
    both.delete("e", "A")
    assert both.get("e", "A") is None


def test_s3_without_a_keyring_and_a_choice_nothing_is_kept(use: Use, file: FileSecrets) -> None:
    use(keyring.backends.fail.Keyring())
    both = ChosenSecrets(keyring=KeyringSecrets(instance="i"), file=file, settings=SettingsInMemory("keyring"))
    with pytest.raises(StoreError):
        both.set("e", "A", "value")
    with pytest.raises(StoreError):
        both.get("e", "A")
    assert not file.folder.exists()
