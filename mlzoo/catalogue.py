"""Every card that is at hand: ours, those that plugins bring, those that a bundle carried here."""

from __future__ import annotations

import difflib
import functools
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from mlzoo import registry
from mlzoo.cards import Card, Tombstone, parse
from mlzoo.errors import InvalidCard, PluginError, UnknownModel, UnsupportedElement
from mlzoo.sources import store

log = logging.getLogger("mlzoo")

BUNDLE = "bundle"
"""In place of a package, for cards that a bundle carried here."""


@dataclass
class Catalogue:
    """Cards by name, what else they answer to, and what could not be read."""

    cards: dict[str, Card] = field(default_factory=dict)
    retired: dict[str, Tombstone] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)  # in small letters -> name
    problems: list[str] = field(default_factory=list)

    def add(self, entry: Card | Tombstone, package: str) -> None:
        """On a clash of names what was there stays; a plugin's is reached as ``package:name``, a bundle's is the same."""
        taken = entry.name in self.cards or entry.name in self.retired or entry.name in self.aliases
        if taken and package == BUNDLE:
            return
        name = f"{package}:{entry.name}" if taken else entry.name
        if isinstance(entry, Tombstone):
            self.retired.setdefault(name, entry)
        else:
            self.cards.setdefault(name, entry)
        for alias in entry.aliases:
            self.aliases.setdefault(alias.lower(), name)

    def find(self, name: str) -> Card:
        """The card of a name or alias, in small or capital letters. Raises :class:`UnknownModel`."""
        known = name if name in self.cards or name in self.retired else name.lower()
        known = known if known in self.cards or known in self.retired else self.aliases.get(known, known)
        if known in self.cards:
            return self.cards[known]
        if known in self.retired:
            retirement = self.retired[known].retired
            instead = f" Use {retirement.successor} instead." if retirement.successor else ""
            raise UnknownModel(f"{known} is not served: {retirement.reason.rstrip('.')}.{instead}")
        near = self.nearest(name)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UnknownModel(f"no model is called {name!r}. {meant}`mlzoo list` shows them all.")

    def name_of(self, card: Card) -> str:
        """The name under which a card is reached, which a clash may have made longer than its own."""
        return next((name for name, known in self.cards.items() if known is card), card.name)

    def nearest(self, name: str) -> list[str]:
        """Up to three names that look like it."""
        spellings = {**{known.lower(): known for known in self.cards}, **self.aliases}
        near = difflib.get_close_matches(name.lower(), spellings, n=6, cutoff=0.5)
        return list(dict.fromkeys(spellings[spelling] for spelling in near))[:3]

    def recognise(self, checksums: Mapping[str, str]) -> Card | None:
        """The card of files that lie somewhere, known by their checksums."""
        for card in self.cards.values():
            for source in card.sources:
                stated = {name: file.sha256 for name, file in source.files.items() if file.sha256 and name in checksums}
                if stated and stated.items() <= checksums.items():
                    return card
        return None


def own_pages() -> Path:
    """Our pages: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "model_cards"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "model_cards"


@functools.cache
def catalogue() -> Catalogue:
    """Read all cards, once in a process. One that cannot be read is a problem of its own and stops no other."""
    known = Catalogue()
    for package, page in _pages(known.problems):
        try:
            known.add(parse(page.read_text(encoding="utf-8"), package=package, path=page), package)
        except (InvalidCard, OSError, UnicodeDecodeError) as error:
            known.problems.append(str(error))
    for problem in known.problems:
        log.warning("%s", problem)
    return known


def list_models(
    pattern: str = "*",
    *,
    elements: Iterable[str] = (),
    predicts: str | None = None,
    license: str | None = None,
    commercial_use: bool | None = None,
    architecture: str | None = None,
) -> list[Card]:
    """Cards whose name or alias fits ``pattern`` (``mace*``) and that meet every condition given.

    ``elements`` must all be covered, ``predicts`` names a property, ``license`` is an SPDX id in any case;
    ``commercial_use=True`` takes those that surely allow it, ``False`` the others.

    Raises :class:`UnsupportedElement` for what is no chemical symbol.
    """
    wanted = _symbols([elements] if isinstance(elements, str) else elements)
    return [
        card
        for name, card in sorted(catalogue().cards.items())
        if any(fnmatchcase(each.lower(), pattern.lower()) for each in (name, *card.aliases))
        and wanted <= set(card.elements)
        and (predicts is None or predicts in card.predicts)
        and (license is None or license.lower() == card.license)
        and (commercial_use is None or commercial_use == (card.terms.commercial_use is True))
        and (architecture is None or architecture == card.architecture)
    ]


def card(name: str) -> Card:
    """The card of a model. Raises :class:`UnknownModel` with the nearest names."""
    return catalogue().find(name)


def _symbols(elements: Iterable[str]) -> set[str]:
    symbols = {element.capitalize() for element in elements}
    if not symbols:
        return symbols
    from ase.data import atomic_numbers

    if unknown := sorted(symbols - atomic_numbers.keys()):
        raise UnsupportedElement(f"{', '.join(unknown)} is no chemical symbol. Write them as H, Na, Cl.")
    return symbols


def _pages(problems: list[str]) -> Iterator[tuple[str, Path]]:
    """Package and path of every page: ours first, so that our names stay."""
    yield from (("mlzoo", page) for page in sorted(own_pages().glob("*.md")))
    for plugin in registry.plugins():
        if plugin.package == "mlzoo":
            continue
        try:
            folder = plugin.load().cards
        except PluginError as error:
            problems.append(str(error))
            continue
        if folder is not None:
            yield from ((plugin.package, page) for page in sorted(folder.glob("*.md")))
    yield from ((BUNDLE, page) for page in sorted((store.folder() / "cards").glob("*.md")))
