"""What mlzoo keeps beside the Hub's own cache, under ``$HF_HOME/mlzoo``: files from URLs, checksums first seen."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger("mlzoo")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a file system says that has no room left."""


def folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "mlzoo"


def first_seen(source: str) -> dict[str, str]:
    """sha256 of each file of a source as it was when this machine saw it first; empty where it has not."""
    try:
        return json.loads(_record(source).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError):
        return {}


def remember(source: str, sha256: Mapping[str, str]) -> None:
    """Write down what was seen, for good. A cache that cannot be written remembers nothing, and says so."""
    known = first_seen(source)
    if sha256.items() <= known.items():
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"source": source, "written": now, "sha256": {**sha256, **known}}
    try:
        replace(_record(source), json.dumps(said, indent=1).encode())
    except OSError as error:
        log.info("%s cannot be written (%s): checksums of %s are not remembered", folder(), error.strerror, source)


def replace(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all, whatever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)


def explain_write(error: OSError, folder: Path) -> str:
    """What a file system that does not take the file says, with the next step."""
    if error.errno in FULL:
        return f"no room is left for it in {folder} ({error.strerror}). Make some, or let HF_HOME name another place."
    return f"{folder} cannot be written ({error.strerror or error}). Let HF_HOME name a place that can."


def lock_of(source: str) -> Path:
    """The file that two processes fetching the same thing agree on."""
    path = folder() / "locks" / f"{_short(source)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _record(source: str) -> Path:
    return folder() / "seen" / f"{_short(source)}.json"


def _short(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:24]
