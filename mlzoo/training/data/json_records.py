"""Labelled structures of pymatgen in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from ase.io.formats import open_with_compression

from mlzoo.errors import UnreadableFile

Record = Callable[[], tuple[Any, dict[str, Any]]]
"""Makes a pymatgen structure and what stands beside it. Raises what pymatgen raises."""


def is_json(path: Path) -> bool:
    """By its name: ``.json``, or ``.jsonl`` with a record in each line; compressed or not."""
    return re.search(r"\.jsonl?(\.(gz|bz2|xz))?$", path.name) is not None


def records(path: Path) -> Iterator[Record] | None:
    """The structures of a file, in the order in which they stand; none for the JSON of ASE's database.

    A record is a dict with a ``structure`` (or ``molecule``) and labels beside it, or a structure of pymatgen's whose
    ``properties`` and site properties are the labels. Records stand in lists or under names, as deep as one likes, as
    in MPtrj's {material: {frame: record}}. ``.json`` is read whole, ``.jsonl`` line by line. Raises
    :class:`UnreadableFile` for what is not JSON and for JSON without a structure.
    """
    if re.search(r"\.jsonl(\.|$)", path.name):
        return _found(path, _lines(path))
    try:
        with open_with_compression(str(path), "r") as file:
            content = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise UnreadableFile(f"{path} is not JSON ({error}). Write or download it again.") from None
    if isinstance(content, dict) and "ids" in content and "nextid" in content:
        return None
    return _found(path, _walk(content))


def _lines(path: Path) -> Iterator[Record]:
    with open_with_compression(str(path), "r") as file:
        for number, line in enumerate(file, 1):
            try:
                content = json.loads(line) if line.strip() else []
            except ValueError:
                yield partial(_refuse, number)
                continue
            yield from _walk(content)


def _refuse(line: int) -> NoReturn:
    raise ValueError(f"line {line} is not JSON")


def _found(path: Path, every: Iterator[Record]) -> Iterator[Record]:
    empty = True
    for record in every:
        empty = False
        yield record
    if empty:
        raise UnreadableFile(
            f"{path} holds no structure: there is no record with a 'structure' and no structure of pymatgen's in it. "
            "Write a list of {'structure': structure.as_dict(), 'energy': ..., 'forces': ..., 'stress': ...}."
        )


def _walk(content: Any) -> Iterator[Record]:
    if isinstance(content, list):
        for each in content:
            yield from _walk(each)
    elif isinstance(content, dict):
        if _is_structure(content):
            yield lambda: _read(content, {})
        elif name := next((name for name in ("structure", "molecule") if name in content), None):
            beside = {key: value for key, value in content.items() if key != name}
            yield lambda: _read(content[name], beside)
        else:
            for each in content.values():
                yield from _walk(each)


def _is_structure(content: dict) -> bool:
    return "sites" in content and ("lattice" in content or "@class" in content)


def _read(content: Any, beside: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from pymatgen.core import Molecule, Structure

    if not isinstance(content, dict) or "sites" not in content:
        raise ValueError(f"the structure is {str(content)[:60]!r}, not the dict that pymatgen's as_dict() makes")
    structure = (Structure if "lattice" in content else Molecule).from_dict(content)
    values = {**structure.site_properties, **(structure.properties or {}), **beside}
    return structure, {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """monty writes an array as {"@module": "numpy", "data": ...}."""
    return np.array(value["data"]) if isinstance(value, dict) and value.get("@module") == "numpy" else value
