"""Elements as a user names them: symbols or atomic numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from operator import index
from typing import SupportsIndex

from ase.data import atomic_numbers, chemical_symbols

from mlzoo.errors import UnsupportedElement


def named(elements: Iterable[str | SupportsIndex]) -> tuple[int, ...]:
    """Atomic numbers of elements given as symbols or numbers, ascending.

    Raises :class:`UnsupportedElement` for what is no element, for one that is named twice, and for none at all.

    >>> named(["O", 1])
    (1, 8)
    """
    given = [elements] if isinstance(elements, str) else list(elements)
    numbers = Counter(map(_number, given))
    if not numbers:
        raise UnsupportedElement("elements=[] would leave nothing of a model. Name at least one, or leave it out.")
    if twice := [chemical_symbols[z] for z, count in numbers.items() if count > 1]:
        raise UnsupportedElement(f"elements={given} names {', '.join(twice)} more than once. Name each once.")
    return tuple(sorted(numbers))


def symbols(numbers: Iterable[int]) -> tuple[str, ...]:
    """Of atomic numbers."""
    return tuple(chemical_symbols[z] for z in numbers)


def require(wanted: Iterable[int], known: Collection[int], name: str) -> None:
    """Raise :class:`UnsupportedElement` for elements that a model lacks."""
    if missing := [z for z in wanted if z not in known]:
        raise UnsupportedElement(
            f"elements names {', '.join(symbols(missing))}, but {name} knows only {', '.join(symbols(known))}. "
            f"`mlzoo list --elements {','.join(symbols(wanted))}` shows models that cover them."
        )


def _number(element: str | SupportsIndex) -> int:
    """The atomic number of a symbol or of a number."""
    number = atomic_numbers.get(element, 0) if isinstance(element, str) else index(element)
    if 1 <= number < len(chemical_symbols) and not isinstance(element, bool):
        return number
    raise UnsupportedElement(f"{element!r} is no element. Write symbols as H, Na, Cl, or atomic numbers from 1 to 118.")
