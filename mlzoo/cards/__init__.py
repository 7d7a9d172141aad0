"""Model cards: one Markdown page about one published weight, whose front matter says everything in fields."""

from mlzoo.cards.derive import bare, cut, derived, license_text, slug
from mlzoo.cards.pages import front_matter, page, parse, read_page
from mlzoo.cards.schema import Card, File, HubSource, PackageSource, Source, Tombstone, UrlSource, json_schema

__all__ = [
    "Card",
    "File",
    "HubSource",
    "PackageSource",
    "Source",
    "Tombstone",
    "UrlSource",
    "bare",
    "cut",
    "derived",
    "front_matter",
    "json_schema",
    "license_text",
    "page",
    "parse",
    "read_page",
    "slug",
]
