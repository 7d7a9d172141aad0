"""From what the user names to files that may be used: licence first, then the files, each of them checked.

a name ──► its card ──► licence ──► cache, or else the sources in order ──► checked files
hf:owner/repository ──► its page on the Hub ──┘
a path ──► (the licence follows once the weight is read)
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlzoo import cards, elements, licenses, sources
from mlzoo.cards import Card, HubSource
from mlzoo.catalogue import catalogue
from mlzoo.errors import DownloadError, UnknownModel
from mlzoo.licenses import License
from mlzoo.locks import Lock
from mlzoo.sources import Fetched, hub, store

log = logging.getLogger("mlzoo")


@dataclass(frozen=True)
class Weight:
    """Files of one weight on this machine, and what is known of it before it is read."""

    name: str  # what the user may type again
    path: Path  # what a reader reads: a folder or a file
    card: Card | None = None
    terms: License | None = None  # where a page says no more than that
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fetched: Fetched | None = None

    @property
    def key(self) -> str:
        """What a lock calls it: its name, or the path as it was given."""
        return self.name if self.fetched else str(self.path)

    @property
    def checks(self) -> Path | None:
        """The file with its reference values: of its card, in its folder, or for one file NAME.checks.json beside it."""
        beside = self.path / "checks.json" if self.path.is_dir() else self.path.with_suffix(".checks.json")
        return (self.card.checks if self.card else None) or (beside if beside.is_file() else None)


def obtain(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    license_policy: str | None = None,
    lock: Lock | None = None,
    covering: Collection[int] = (),
) -> Weight:
    """Find or fetch a weight, ``covering`` these elements by what its card says.

    Raises :class:`UnknownModel`, :class:`RefusedLicense` and :class:`UnsupportedElement` before anything is asked of the
    network, :class:`DownloadError`, :class:`WrongChecksum` and :class:`LockMismatch`.
    """
    said = os.fspath(name)
    if revision and lock:
        raise DownloadError(f"revision={revision!r} and the lock {lock.path} both choose a revision. Leave one out.")
    if said.startswith("hf:"):
        return _from_hub(said, revision, license_policy, lock)
    card = None if _is_path(said) else catalogue().find(said)
    if card is None:
        if revision:
            raise DownloadError(f"revision={revision!r} chooses among commits of a Hub repository; {said} is a path.")
        return Weight(Path(said).expanduser().resolve().name, Path(said).expanduser())
    elements.require(covering, elements.named(card.elements), card.name)
    return _from_card(card, revision, license_policy, lock)


def _is_path(said: str) -> bool:
    """A path, unless a model of that name is known. Raises :class:`UnknownModel` for a path where nothing is."""
    path = Path(said).expanduser()
    bare = not {"/", os.sep, "~"} & set(said)
    if path.exists() and not bare:
        return True
    try:
        catalogue().find(said)
    except UnknownModel:
        if path.exists():
            return True
        if not bare or re.search(r"\.[A-Za-z]+$", said):
            raise UnknownModel(
                f"there is no file or folder {path}. Check the path; `mlzoo list` shows the models that have names."
            ) from None
        return False
    if path.exists():
        log.warning("%s is taken for the model of that name; ./%s would be what lies here.", said, said)
    return False


def _from_card(card: Card, revision: str | None, policy: str | None, lock: Lock | None) -> Weight:
    name = catalogue().name_of(card)
    if not card.sources:
        raise DownloadError(
            f"{name} cannot be fetched: no address of its file is known that cannot change. {card.path} says where its "
            f'authors keep it; load what you download there by its path, mlzoo.load("path/to/file").'
        )
    licenses.check(card.terms, name, policy)
    if lock:
        chosen = [lock.source(name, card.sources)]
    else:
        chosen = sources.at_revision(card.sources, revision, name) if revision else list(card.sources)
    try:
        fetched = sources.fetch(chosen, _authority(lock))
    except DownloadError as error:
        raise DownloadError(
            f"{name} cannot be fetched. {error} (Without a network: `mlzoo fetch {name}` and `mlzoo bundle {name}` "
            "on a machine that has one, then `mlzoo unbundle` here.)"
        ) from error
    return Weight(name, fetched.path, card, card.terms, fetched.provenance, fetched)


def _from_hub(said: str, revision: str | None, policy: str | None, lock: Lock | None) -> Weight:
    source = hub.source_of(said)
    if source is None:
        raise UnknownModel(f"{said} is not of the form hf:owner/repository[/file][@revision].")
    if revision:
        source = hub.source_of(f"{said.split('@')[0]}@{revision}") or source
    authority = _authority(lock)
    if lock:
        held = lock.source(said, (source,))
        assert isinstance(held, HubSource)
        source = held
    whole = f"files of {source}"
    known = sources.cached([source], authority) if source.files else None
    page = hub.page_of(source) if known else ""
    if known is None:
        source, page = hub.listed(source)
    card, terms = cards.read_page(page, said)
    licenses.check(terms, said, policy)
    fetched = known or sources.fetch([source], authority)
    store.remember(whole, fetched.provenance["sha256"])
    return Weight(said, fetched.path, card, terms, fetched.provenance, fetched)


def _authority(lock: Lock | None) -> str:
    """Who states the checksums."""
    return "the lock" if lock else "its card"
