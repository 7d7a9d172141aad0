"""Cards that nobody wrote: of a weight made from another one, of a weight that came without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING

from mlzoo.cards.schema import Card, HubSource
from mlzoo.licenses import KNOWN, UNKNOWN, License

if TYPE_CHECKING:
    from mlzoo.model import Model


def bare(name: str, architecture: str, model: Model, terms: License = UNKNOWN) -> Card:
    """The card of a weight that came without one: it says what the network shows, and that the rest is not stated."""
    from mlzoo.elements import symbols

    known = terms.id.lower() in KNOWN or terms.id == "unknown"
    licence = {} if known else {"license_name": terms.name, "license_link": terms.link or "not given"}
    return Card(
        name=slug(name),
        license=terms.id.lower(),
        **licence,  # type: ignore[arg-type]
        summary="A weight without a card.",
        architecture=architecture,
        elements=symbols(model.elements),
        predicts={each.name: each.unit for each in model.predicts},
        theory="not stated",
        training_data="not stated",
        dispersion="not stated",
        periodic="molecules only" if model.molecular else Card.model_fields["periodic"].default,
        citation="",
        text=f"# {name}\n\nThis weight came without a card: nobody has said what it was trained on.\n",
    )


def slug(name: str) -> str:
    """A name as cards have it: small letters, digits, dots, dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).lstrip("._-") or "weight"


def derived(card: Card, name: str) -> Card:
    """The card of a weight made from another one: its licence and its authors stay, its sources do not."""
    hubs = [source.hub for source in card.sources if isinstance(source, HubSource)]
    base = hubs[0] if hubs else card.name if card.sources else card.base_model
    note = f"# {name}\n\nMade from {card.name} by mlzoo; licence and citation are those of the original.\n\n{card.text}"
    fresh = {"name": slug(name), "base_model": base, "text": note, "format": "mlzoo", "package": "mlzoo"}
    kept = card.model_dump(exclude={"aliases", "sources", "options", "path"})
    return Card.model_validate(kept | fresh)


def cut(card: Card, kept: Iterable[int]) -> Card:
    """The card of a weight that has been cut to some of its elements."""
    from mlzoo.elements import symbols

    left = symbols(kept)
    note = f"Cut to {', '.join(left)} by mlzoo: for structures of these it gives what the whole model gives."
    return card.model_copy(update={"elements": left, "text": f"{note}\n\n{card.text}"})


def license_text(card: Card) -> str:
    """What stands in the file LICENSE beside a weight: the text where we have it, else name, link and what it obliges to."""
    template = files("mlzoo").joinpath("license_texts", f"{card.license}.txt")
    if template.is_file() and card.copyright:
        return template.read_text(encoding="utf-8").replace("{copyright}", card.copyright)
    terms = card.terms
    notice = f"{card.copyright}\n" if card.copyright else ""
    return f"{notice}{terms.name}\n{terms.link}\n\nObliges to this: {terms.obliges}.\n"
