"""JSON files, with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlzoo.errors import UnreadableFile


def read_json(path: Path) -> Any:
    """A JSON file, or :class:`UnreadableFile` that says what is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise UnreadableFile(f"{path} is not JSON ({error}). Fetch it again.") from error


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
