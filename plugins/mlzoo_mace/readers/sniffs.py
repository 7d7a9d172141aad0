"""Which format a file is in, from names and headers only, without torch."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any


def sniff_mlip_first(path: Path) -> bool:
    """InstaDeep's zips of the first generation say ``predict_stress``."""
    return "predict_stress" in _hyperparameters(path)


def sniff_mlip_second(path: Path) -> bool:
    """Those of the second say the version of the library; MACE has a ``correlation``."""
    said = _hyperparameters(path)
    return "version" in said and "correlation" in said.get("config", {})


def _hyperparameters(path: Path) -> dict[str, Any]:
    if not path.is_file() or not zipfile.is_zipfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as archive, archive.open("hyperparams.json") as file:
            said = json.loads(file.read(1 << 20))
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, NotImplementedError):
        return {}
    return said if isinstance(said, dict) else {}
