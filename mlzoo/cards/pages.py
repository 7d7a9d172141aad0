"""The page of a card: Markdown with the Hub's front matter, ours in it under the key ``mlzoo``.

The Hub's own fields (``license``, ``tags``, ``base_model``, ...) stand beside it, so that the page is a model card there.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlzoo.cards.schema import Card, Tombstone
from mlzoo.errors import InvalidCard
from mlzoo.licenses import UNKNOWN, License, stated

log = logging.getLogger("mlzoo")

HUB_FIELDS = ("license", "license_name", "license_link", "base_model", "tags")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---\s*$\r?\n?", re.DOTALL | re.MULTILINE)


def front_matter(page: str) -> tuple[dict[str, Any], str]:
    """Fields and text of a page; no fields where it has no front matter. Raises :class:`InvalidCard`."""
    found = _FRONT_MATTER.match(page)
    if not found:
        return {}, page
    try:
        fields = yaml.load(found.group(1), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InvalidCard(f"its front matter is not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidCard(f"its front matter holds a {type(fields).__name__}, not fields")
    return fields, page[found.end() :].lstrip("\n")


def parse(page: str, *, package: str = "mlzoo", path: Path | None = None) -> Card | Tombstone:
    """Read a page. Raises :class:`InvalidCard` that names every field that is wrong."""
    where = str(path or "the card")
    try:
        fields, text = front_matter(page)
        ours = fields.get("mlzoo")
        if not isinstance(ours, dict):
            raise InvalidCard("its front matter has no fields under `mlzoo`")
        if "retired" in ours:
            return Tombstone.model_validate(ours)
        hub = {name: fields[name] for name in HUB_FIELDS if name in fields}
        return Card.model_validate({**hub, **ours, "text": text, "package": package, "path": path})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'card'}: {each['msg']}" for each in error.errors())
        raise InvalidCard(f"{where} is not a valid card: {wrong}") from error
    except InvalidCard as error:
        raise InvalidCard(f"{where} is not a valid card: {error}") from error


def read_page(text: str, where: str) -> tuple[Card | None, License]:
    """Any page of a weight: our card where it is one, and the licence that it states in any case."""
    try:
        fields, _ = front_matter(text)
        if "mlzoo" in fields:
            card = parse(text)
            if isinstance(card, Card):
                return card, card.terms
        return None, stated(fields)
    except InvalidCard as error:
        log.warning("%s: %s", where, error)
        return None, UNKNOWN


class _Dumper(yaml.SafeDumper):
    """Lists in one line, texts of several lines as they are: the way a person writes them."""


_Dumper.add_representer(list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))
_Dumper.add_representer(
    str, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", data, "|" if "\n" in data else None)
)


def page(card: Card) -> str:
    """The card as the Markdown page that :func:`parse` reads."""
    said = card.model_dump(mode="json", exclude_defaults=True, exclude={"text", "package", "path"})
    fields = {name: said.pop(name) for name in HUB_FIELDS if name in said}
    fields |= {"library_name": "mlzoo", "pipeline_tag": "graph-ml", "mlzoo": said}
    head = yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n\n{card.text}"
