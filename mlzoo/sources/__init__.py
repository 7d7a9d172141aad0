"""Where a weight comes from: an installed package, the Hub, a pinned URL.

What is there is used without a word to the network. What is fetched is checked before it is used: against the card,
against what the server states, against what this machine saw first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mlzoo.cards import File, HubSource, PackageSource, Source, UrlSource
from mlzoo.checksums import sha256
from mlzoo.errors import DownloadError, WrongChecksum
from mlzoo.sources import hub, packages, store, urls
from mlzoo.sources.found import Found

log = logging.getLogger("mlzoo")

KINDS: Mapping[type, ModuleType] = {PackageSource: packages, HubSource: hub, UrlSource: urls}


@dataclass(frozen=True)
class Fetched:
    """Checked files: ``path`` is what a reader reads, ``provenance`` says where they came from (JSON-safe)."""

    source: Source
    path: Path
    files: Mapping[str, Path]
    provenance: dict[str, Any]


def at_revision(sources: Sequence[Source], revision: str, name: str) -> list[Source]:
    """Hub sources at another revision than the card's, of which no checksum is known. Raises :class:`DownloadError`."""
    chosen: list[Source] = [
        source
        if source.revision == revision
        else HubSource(hub=source.hub, revision=revision, files={name: File() for name in source.files})
        for source in sources
        if isinstance(source, HubSource)
    ]
    if not chosen:
        raise DownloadError(
            f"{name} has no Hub repository whose revision could be chosen. Leave out revision={revision!r}."
        )
    return chosen


def cached(sources: Sequence[Source], authority: str = "its card") -> Fetched | None:
    """The first source that lies on this machine whole, checked. Raises :class:`WrongChecksum`."""
    for source in sources:
        found = KINDS[type(source)].cached(source)
        if found is not None:
            return _checked(source, found, authority, fresh=False)
    return None


def fetch(sources: Sequence[Source], authority: str = "its card") -> Fetched:
    """What is cached, or else the first source that can be reached; ``authority`` is who states the checksums.

    Raises :class:`DownloadError` with what each source said, and :class:`WrongChecksum`, which no other source mends.
    """
    there = cached(sources, authority)
    if there is not None:
        return there
    reasons = []
    for source in sources:
        try:
            return _checked(source, KINDS[type(source)].download(source), authority, fresh=True)
        except DownloadError as error:
            reasons.append(str(error))
            log.info("%s", error)
    raise DownloadError(" And: ".join(reasons))


def _checked(source: Source, found: Found, authority: str, fresh: bool) -> Fetched:
    digests = {name: sha256(path) for name, path in found.files.items()}
    known = store.first_seen(str(source))
    for name, digest in digests.items():
        expected, by_whom = source.files[name].sha256, f"{authority} says"
        if expected is None and name in known:
            expected, by_whom = known[name], "this machine saw first"
        stated = (found.stated or {}).get(name)
        if expected is None and stated and hub.differs(found.files[name], stated):
            expected, by_whom = stated, "the server states"
        if expected is not None and digest != expected:
            raise WrongChecksum(_difference(source, found, name, digest, expected, by_whom, fresh))
    if not isinstance(source, PackageSource):  # which changes with its package
        store.remember(str(source), digests)
    commit = {"commit": found.commit} if found.commit else {}
    return Fetched(source, found.path, found.files, {"source": str(source), **commit, "sha256": digests})


def _difference(source: Source, found: Found, name: str, digest: str, expected: str, by_whom: str, fresh: bool) -> str:
    path = found.files[name]
    with path.open("rb") as file:
        page = " (it is a web page: a proxy or a login stands in between)" if urls.is_html(file.read(64)) else ""
    what = f"{name} of {source} is not what it should be{page}: sha256 {digest}, and {by_whom} {expected}."
    if not fresh:
        return f"{what} It was not used. If {path} was changed on this machine, delete it and fetch it again."
    found.remove(name)
    if by_whom == "this machine saw first":
        return f"{what} It was not used. The source has changed: choose the revision you mean, or ask its authors."
    return f"{what} It was not used and is deleted. Fetch it again; if it stays, do not trust that source."
