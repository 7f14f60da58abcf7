"""Which stages may see a secret, and where its value is kept: the words alone, for who needs no more of secrets."""

from __future__ import annotations

from typing import Literal

SecretStage = Literal["build", "run", "agent"]
STAGES: tuple[SecretStage, ...] = ("build", "run", "agent")
"""`build` is the cached preflight, wherever it runs; `run` the run preflight; `agent` the agent."""
DEFAULT_STAGES: tuple[str, ...] = ("run", "agent")
SecretStorage = Literal["keyring", "file"]
"""Where values of secrets are kept: in the desktop's keyring, or in a private file of ours."""
