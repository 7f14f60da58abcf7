"""`settings`: look at them, change them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from agents_runner.cli.printing import table
from agents_runner.cli.reading import assignments
from agents_runner.cli.reply import Reply
from agents_runner.core.migrate import model_data
from agents_runner.core.setting_values import counts_later, settings_lines, with_settings
from agents_runner.core.settings import Settings
from agents_runner.runner.services import Services


def settings(services: Services, args: argparse.Namespace) -> Reply:
    """Show every setting, or change those that were given and show these."""
    pairs = assignments(args.sets)
    found = services.settings.load()
    if pairs:
        base, found = found, with_settings(found, pairs)
        services.settings.save(found, base)
    text = _changed(found, pairs) if pairs else table(("setting", "value"), settings_lines(found))
    return Reply(json=model_data(found), text=text)


def _changed(settings: Settings, pairs: Sequence[tuple[str, str]]) -> str:
    """What became of the settings that were named."""
    named = tuple(dict.fromkeys(name for name, _ in pairs))
    values = dict(settings_lines(settings))
    lines = [f"{name}: {text}" for name, text in values.items() if name in named]
    lines += [f"{name} is removed." for name in named if name not in values]
    if later := counts_later(named):
        lines.append(
            f"!! {', '.join(later)} count{'s' if len(later) == 1 else ''} from the next start of the window."
        )
    return "\n".join(lines)
