"""Values of secrets: in the OS keyring, or in a private file of ours where a person chose that."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from agents_runner.core.errors import InvalidInput, StoreError
from agents_runner.core.redaction import KnownSecrets
from agents_runner.core.secret_stages import SecretStorage
from agents_runner.store.files import locked, move_aside, write_atomic
from agents_runner.store.jsonfile import parse_json, read_regular
from agents_runner.store.os_errors import unreadable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

KEYRING_S = 5.0
"""Seconds that a keyring may take; a locked one asks the person meanwhile, and goes on doing so."""
NO_KEYRING_HINT = (
    "Install and unlock a keyring (GNOME Keyring, KWallet), or choose a private file of Agents Runner instead: "
    "`agents-runner env secret set ENV NAME --storage file`."
)
# Backends that keep values as plain text, or nowhere, whatever they are called.
_NOT_USED = ("keyrings.alt.", "keyring.backends.fail", "keyring.backends.null")
T = TypeVar("T")
log = logging.getLogger(__name__)


class SecretStore(Protocol):
    """Values by environment and name. All methods raise StoreError, whose text never holds a value."""

    def get(self, environment_id: str, name: str) -> str | None: ...
    def set(self, environment_id: str, name: str, value: str) -> None: ...
    def delete(self, environment_id: str, name: str) -> None:
        """Nothing happens if it is not there."""
        ...


@dataclass(frozen=True, kw_only=True)
class KeyringSecrets:
    """The desktop's own keyring, by the `keyring` library."""

    instance: str
    """Tells this set of files from others: an id of an environment is not unique between them."""
    limit_s: float = KEYRING_S

    def get(self, environment_id: str, name: str) -> str | None:
        return self._ask(lambda ring: ring.get_password(self._service, f"{environment_id}/{name}"))

    def set(self, environment_id: str, name: str, value: str) -> None:
        def act(ring: KeyringBackend) -> None:
            ring.set_password(self._service, f"{environment_id}/{name}", value)
            if ring.get_password(self._service, f"{environment_id}/{name}") != value:
                raise StoreError("The keyring did not keep the value.", NO_KEYRING_HINT)

        self._ask(act)

    def delete(self, environment_id: str, name: str) -> None:
        def act(ring: KeyringBackend) -> None:
            if ring.get_password(self._service, f"{environment_id}/{name}") is not None:
                ring.delete_password(self._service, f"{environment_id}/{name}")

        self._ask(act)

    @property
    def _service(self) -> str:
        return f"agents-runner {self.instance}"

    def _ask(self, act: Callable[[KeyringBackend], T]) -> T:
        """On a thread of its own: a desktop bus may never answer."""
        results: list[T] = []
        errors: list[Exception] = []

        def work() -> None:
            try:
                results.append(act(_backend()))
            except Exception as error:  # noqa: BLE001 - backends raise whatever their libraries raise
                errors.append(error)

        thread = threading.Thread(target=work, name="keyring", daemon=True)
        thread.start()
        thread.join(self.limit_s)
        if results:
            return results[0]
        if not errors:
            raise StoreError(
                f"The keyring did not answer within {self.limit_s:g} s.",
                "Unlock it and try again. " + NO_KEYRING_HINT,
            )
        if isinstance(errors[0], StoreError):
            raise errors[0]
        if type(errors[0]).__name__ == "KeyringLocked":
            raise StoreError("The keyring is locked.", "Unlock it and try again. " + NO_KEYRING_HINT)
        # Only the kind of the error: its text is not ours, and might hold anything.
        raise StoreError(f"The keyring cannot be used ({type(errors[0]).__name__}).", NO_KEYRING_HINT)


def _backend() -> KeyringBackend:
    """The keyring that the library would choose, of those that really keep values safe."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    candidates = list(chosen.backends) if isinstance(chosen, ChainerBackend) else [chosen]
    for backend in candidates:
        if not type(backend).__module__.startswith(_NOT_USED):
            return backend
    raise StoreError("There is no keyring on this machine that could keep the value.", NO_KEYRING_HINT)


@dataclass(frozen=True, kw_only=True)
class FileSecrets:
    """One file of mode 0600 for each environment, in a folder of mode 0700. The values are plain text in it."""

    folder: Path
    damaged: Path
    """Folder for files that cannot be used."""

    def get(self, environment_id: str, name: str) -> str | None:
        return self._read(environment_id).get(name)

    def set(self, environment_id: str, name: str, value: str) -> None:
        with self._changing(environment_id) as values:
            values[name] = value

    def delete(self, environment_id: str, name: str) -> None:
        if self.get(environment_id, name) is None:
            return
        with self._changing(environment_id) as values:
            values.pop(name, None)

    def _path(self, environment_id: str) -> Path:
        return self.folder / f"{environment_id}.json"

    def _read(self, environment_id: str) -> dict[str, str]:
        path = self._path(environment_id)
        try:
            data = parse_json(read_regular(path))
        except FileNotFoundError:
            return {}
        except InvalidInput:
            aside = move_aside(path, self.damaged)
            log.warning("%s cannot be used and was moved to %s", path, aside)
            return {}
        except OSError as error:
            raise unreadable(path, error) from error
        values = data if isinstance(data, dict) else {}
        return {name: value for name, value in values.items() if isinstance(value, str)}

    @contextlib.contextmanager
    def _changing(self, environment_id: str) -> Iterator[dict[str, str]]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
        except OSError as error:
            raise unreadable(self.folder, error) from error
        with locked(self.folder / "lock", "secrets"):
            values = self._read(environment_id)
            yield values
            path = self._path(environment_id)
            if values:
                write_atomic(path, json.dumps(values, indent=2).encode("ascii"))
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 - one call for the file and a link in its place


class Chosen(Protocol):
    """The part of the settings that says where values are kept."""

    @property
    def secret_storage(self) -> SecretStorage: ...


class StorageChoice(Protocol):
    """The settings as they are saved now."""

    def load(self) -> Chosen: ...


@dataclass(frozen=True, kw_only=True)
class ChosenSecrets:
    """Writes where the settings say; finds and removes values in both places, so that a change loses none."""

    keyring: SecretStore
    file: SecretStore
    settings: StorageChoice
    known: KnownSecrets = field(default_factory=KnownSecrets)
    """Told every value that comes by."""

    def get(self, environment_id: str, name: str) -> str | None:
        here, there = self._order()
        problem: StoreError | None = None
        try:
            found = here.get(environment_id, name)
        except StoreError as error:
            found, problem = None, error
        if found is None:
            with contextlib.suppress(StoreError):
                found = there.get(environment_id, name)
        if found is None and problem is not None:
            raise problem
        if found is not None:
            self.known.add(found)
        return found

    def set(self, environment_id: str, name: str, value: str) -> None:
        self.known.add(value)
        here, there = self._order()
        here.set(environment_id, name, value)
        with contextlib.suppress(StoreError):
            there.delete(environment_id, name)

    def delete(self, environment_id: str, name: str) -> None:
        here, there = self._order()
        with contextlib.suppress(StoreError):
            there.delete(environment_id, name)
        here.delete(environment_id, name)

    def _order(self) -> tuple[SecretStore, SecretStore]:
        return (
            (self.keyring, self.file)
            if self.settings.load().secret_storage == "keyring"
            else (self.file, self.keyring)
        )
