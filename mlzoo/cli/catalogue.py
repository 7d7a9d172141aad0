"""`mlzoo list`, `info`, `licenses`: what the cards say. No torch, no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlzoo.cli.console import table, tell

if TYPE_CHECKING:
    from mlzoo.cards import Card

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def list_(
    pattern: Annotated[str, typer.Argument(help="Name or alias, with wildcards: 'm3gnet*'.")] = "*",
    elements: Annotated[str, typer.Option(help="Symbols that must all be covered: H,O.")] = "",
    predicts: Annotated[str | None, typer.Option(help="A property: energy, forces, band_gap, ...")] = None,
    license: Annotated[str | None, typer.Option(help="SPDX id: mit, bsd-3-clause, ...")] = None,
    commercial_use: Annotated[
        bool | None, typer.Option("--commercial-use/--no-commercial-use", help="Surely allowed, or not.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="m3gnet, ...")] = None,
    as_json: AsJson = False,
) -> None:
    """List the models that have a card."""
    from mlzoo.catalogue import catalogue, list_models

    wanted = elements.replace(",", " ").split()
    found = list_models(
        pattern, elements=wanted, predicts=predicts, license=license, commercial_use=commercial_use, architecture=architecture
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([_said(card) for card in found], indent=1))
    if not found:
        tell("error: no model fits that. `mlzoo list` without options shows them all.")
        raise typer.Exit(1)
    if as_json:
        return
    names = catalogue().name_of
    table(
        ("name", "predicts", "elements", "licence", "commercial use", "size"),
        [
            (names(card), ", ".join(_main(card)), _few(card.elements), card.license, _use(card), _size(card.bytes))
            for card in found
        ],
    )


def info(
    name: Annotated[str, typer.Argument(help="Name or alias of a model.")],
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Only what to cite, as BibTeX.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the card of a model.

    What it predicts, what it was trained on, under which licence it stands, where it comes from.
    """
    from mlzoo.catalogue import catalogue

    card = catalogue().find(name)
    if bibtex:
        typer.echo(card.citation.strip())
    elif as_json:
        typer.echo(json.dumps(_said(card), indent=1))
    else:
        typer.echo(_page(card))


def licenses(
    names: Annotated[list[str] | None, typer.Argument(help="Models; all of them by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which weights stand under which licence.

    For a legal department: what each licence obliges to, and which notices have to be kept.
    """
    from mlzoo.catalogue import catalogue, list_models

    cards = [catalogue().find(name) for name in names] if names else list_models()
    rows: list[dict[str, Any]] = [
        {
            "model": catalogue().name_of(card),
            "license": card.license,
            "name": card.terms.name,
            "commercial_use": card.terms.commercial_use,
            "obliges": card.terms.obliges,
            "copyright": card.copyright,
            "link": card.terms.link,
        }
        for card in cards
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    models: dict[tuple[str, ...], list[str]] = {}
    for row, card in zip(rows, cards, strict=True):
        terms = (row["name"], row["link"] or "-", _use(card), row["obliges"], row["copyright"] or "-")
        models.setdefault(terms, []).append(row["model"])
    for (name, link, use, obliges, notice), under in sorted(models.items()):
        typer.echo(f"{name}\n  text            {link}\n  commercial use  {use}\n  obliges to      {obliges}")
        typer.echo(f"  notice to keep  {notice}\n  models          {', '.join(under)}\n")


def _said(card: Card) -> dict[str, Any]:
    from mlzoo.catalogue import catalogue

    said = card.model_dump(mode="json", exclude={"path"}, exclude_none=True)
    return {**said, "name": catalogue().name_of(card), "commercial_use": card.terms.commercial_use, "bytes": card.bytes}


def _page(card: Card) -> str:
    from mlzoo.catalogue import catalogue

    terms = card.terms
    fields = {
        "architecture": card.architecture,
        "predicts": ", ".join(f"{name} ({unit})" for name, unit in card.predicts.items()),
        "elements": " ".join(card.elements),
        "theory": card.theory,
        "training data": card.training_data,
        "dispersion": card.dispersion,
        "charge and spin": f"{'read' if card.charge else 'not read'}, {'read' if card.spin else 'not read'}",
        "periodic": card.periodic,
        "licence": f"{terms.name}{f' ({terms.link})' if terms.link else ''}",
        "commercial use": _use(card),
        "obliges to": terms.obliges,
        "aliases": ", ".join(card.aliases),
        "sources": ", ".join(map(str, card.sources)),
        "size": _size(card.bytes),
    }
    lines = [f"{catalogue().name_of(card)}: {card.summary}", ""]
    return "\n".join(lines + [f"{name:16}{value}" for name, value in fields.items() if value])


def _main(card: Card) -> list[str]:
    """What is worth a column: not what follows from the energy."""
    return ["energy, forces, stress"] if "forces" in card.predicts else list(card.predicts)


def _few(elements: tuple[str, ...]) -> str:
    return " ".join(elements) if len(elements) <= 8 else f"{len(elements)} elements"


def _use(card: Card) -> str:
    return {True: "yes", False: "no", None: "not known"}[card.terms.commercial_use]


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"
