"""Quantities, numbers and HTML in words that a reader knows."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

QUANTITIES = {
    "energy": "energy, whole structure",
    "energy_per_atom": "energy per atom",
    "energies": "energies of atoms",
    "stress_GPa": "stress in GPa",
}


def title(quantity: str) -> str:
    """The name of a quantity as a reader wants it.

    >>> title("energy_per_atom"), title("band_gap")
    ('energy per atom', 'band gap')
    """
    return QUANTITIES.get(quantity, quantity.replace("_", " "))


def number(value: float | None, digits: int = 4) -> str:
    """Four significant digits, and a dash where there is nothing to say.

    >>> [number(x) for x in (12345.6, 0.0123456, 1e-9, 0.0, None)]
    ['12346', '0.01235', '1.000e-09', '0', '–']
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, digits - 1 - power)}f}" if -5 < power < 9 else f"{value:.{digits - 1}e}"


def escaped(text: object) -> str:
    return html.escape(str(text), quote=True)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """An HTML table of plain text; the first ``text`` columns are words, the others numbers."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = ["" if place < text else ' class="number"' for place in range(len(cells))]
        return "".join(f"<{tag}{kind}>{escaped(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    head = f"<tr>{line('th', titles)}</tr>\n" if any(titles) else ""
    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n{head}{body}\n</table></div>'
