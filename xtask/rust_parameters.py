"""The injected cell of an executed notebook: the settings that were given, over those of the cell `parameters`."""

import json


def cell(given, comment):
    """Its code; `given` is of the form of STAGEDIFF_SETTINGS."""
    text = json.dumps(given, ensure_ascii=False)
    hashes = next("#" * n for n in range(1, len(text) + 2) if '"' + "#" * n not in text)
    return f'// {comment}\nlet settings: Settings = settings.given(r{hashes}"{text}"{hashes})?;'
