"""`settings`: look at them, change them."""

from __future__ import annotations

import argparse

from agents_runner.cli.printing import say, say_json, table
from agents_runner.cli.reading import assignments
from agents_runner.core.migrate import model_data
from agents_runner.core.setting_values import counts_later, settings_lines, with_settings
from agents_runner.runner.services import Services


def settings(services: Services, args: argparse.Namespace) -> int:
    pairs = assignments(args.sets)
    found = services.settings.load()
    if pairs:
        base, found = found, with_settings(found, pairs)
        services.settings.save(found, base)
    if args.json:
        say_json(model_data(found))
        return 0
    named = {name for name, _ in pairs}
    lines = [line for line in settings_lines(found) if not pairs or line[0] in named]
    if pairs:
        for name, text in lines:
            say(f"{name}: {text}")
        for name in named - {name for name, _ in lines}:
            say(f"{name} is removed.")
        if later := counts_later([name for name, _ in pairs]):
            say(f"!! {', '.join(later)} count{'s' if len(later) == 1 else ''} from the next start of the window.")
    else:
        say(table(("setting", "value"), lines))
    return 0
