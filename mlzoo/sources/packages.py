"""Files that an installed package brings: always there, never fetched."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mlzoo.cards import PackageSource
from mlzoo.errors import DownloadError
from mlzoo.sources.found import Found


def cached(source: PackageSource) -> Found | None:
    try:
        folder = Path(str(files(source.package))) / source.folder
    except ModuleNotFoundError:
        return None
    there = {name: folder / name for name in source.files}
    return Found(there) if all(path.is_file() for path in there.values()) else None


def download(source: PackageSource) -> Found:
    """There is nowhere to fetch it from. Raises :class:`DownloadError`."""
    raise DownloadError(
        f"{source.package} should bring {source.folder} with {', '.join(source.files)}, and does not. Install it again."
    )
