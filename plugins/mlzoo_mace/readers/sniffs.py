"""Which format a file is in, from names and headers only, without torch."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any


def sniff_mlip_first(path: Path) -> bool:
    """InstaDeep's zips of the first generation say ``predict_stress``; of its networks, MACE has a ``correlation``."""
    said = _hyperparameters(path)
    return "predict_stress" in said and _is_mace(said)


def sniff_mlip_second(path: Path) -> bool:
    """Those of the second say the version of the library instead."""
    said = _hyperparameters(path)
    return "version" in said and "predict_stress" not in said and _is_mace(said)


def sniff_mace_torch(path: Path) -> bool:
    """mace-torch's ``.model`` files are torch's zips of a pickle whose first name is a class of mace."""
    return class_of(path) is not None


def class_of(path: Path) -> str | None:
    """The class of a ``.model`` file's network, without its package; None for any other file."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
            with archive.open(pickles[0]) as file:
                start = file.read(256)
    except (IndexError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    found = re.match(rb"\x80[\x02-\x05]c(?:__torch__\.)?mace\.[^\n]*\n(\w*)", start)  # with __torch__ it was compiled
    return found[1].decode() if found else None


def sniff_mace_torch_neutral(path: Path) -> bool:
    """The coming pair of mace-torch 1, ``NAME.safetensors`` and a ``NAME.json`` that says so; or a folder with one."""
    tensors = [path.with_suffix(".safetensors")] if path.is_file() else path.glob("*.safetensors")
    try:
        return any(file.is_file() and _says_neutral(file.with_suffix(".json")) for file in tensors)
    except OSError:
        return False


def _says_neutral(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return re.search(rb'"format"\s*:\s*"mace-v\d+-checkpoint"', file.read(1 << 24)) is not None


def _is_mace(said: dict[str, Any]) -> bool:
    config = said.get("config")
    return isinstance(config, dict) and "correlation" in config


def _hyperparameters(path: Path) -> dict[str, Any]:
    if not path.is_file() or not zipfile.is_zipfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as archive, archive.open("hyperparams.json") as file:
            said = json.loads(file.read(1 << 20))
    except (KeyError, ValueError, OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}  # no such member, or damaged, encrypted, nested without end
    return said if isinstance(said, dict) else {}
