"""Profiles: how much an agent may do inside its container, and what an environment has that names none."""

from __future__ import annotations

from typing import Literal

Profile = Literal["standard", "sudo", "strict"]
"""What an environment's agent may do; `core.environment_rows.PROFILES` says it to people."""
NEW_PROFILE: Profile = "standard"
"""What a new environment starts with."""
OLD_PROFILE: Profile = "sudo"
"""What a file or a plan without a profile has: the rights that every agent had before there were profiles."""
OFFER = (
    "Its agent may become root with sudo, as in every environment before there were profiles. "
    "Under Standard it may not, and the scripts still install as root."
)
"""Said of an environment whose profile nobody has chosen yet."""
OFFER_HINT = "Choose Standard, or choose Sudo to keep it."
