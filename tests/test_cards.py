"""Cards: a page and its fields, what is refused, what is derived."""

import json
import re
from pathlib import Path

import pytest

from mlzoo import cards
from mlzoo.cards import Card, HubSource, Tombstone, UrlSource
from mlzoo.errors import InvalidCard

PAGES = Path(__file__).parents[1] / "model_cards"
PAGE = (PAGES / "m3gnet-pes-ani-1x-subset.md").read_text()


def test_a_card_survives_its_own_page():
    card = cards.parse(PAGE)
    assert cards.parse(cards.page(card)) == card
    assert card.text.startswith("# ")


def test_the_front_matter_is_one_that_the_hub_reads():
    from huggingface_hub import ModelCard

    known = ModelCard(cards.page(cards.parse(PAGE))).data
    assert (known.license, known.library_name, known.pipeline_tag) == ("bsd-3-clause", "mlzoo", "graph-ml")
    assert "mlzoo" in known.tags


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("license: bsd-3-clause", "license: bsd", r"license: bsd is none of mit, bsd-3-clause"),
        ("license: bsd-3-clause", "license: other", r"license: other needs license_name and license_link"),
        ("  name: m3gnet", "  name: M3GNet", r"name: String should match"),
        ("  theory:", "  teory:", r"theory: Field required.*teory: Extra inputs"),
        ("https://raw", "http://raw", r"must begin with https://"),
        ("/e9cde2291acd0b4c4a342428e7dd5e4d596b7bf9/", "/main/", r"is not pinned: it must contain a full commit"),
        ("mlzoo:\n", "mlzo:\n", r"has no fields under `mlzoo`"),
        ("license: bsd-3-clause", "license: [", r"its front matter is not YAML"),
    ],
)
def test_a_card_that_is_wrong_names_the_field(old, new, sentence):
    assert old in PAGE
    with pytest.raises(InvalidCard, match=re.compile(f"is not a valid card: .*{sentence}", re.DOTALL)):
        cards.parse(PAGE.replace(old, new, 1))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/m.pt",
        "https://example.org/" + "a" * 40 + "/../x/",
        "https://example.org/" + "a" * 40 + "/x?token=1/",
        "https://user@example.org/" + "a" * 40 + "/",
        "ftp://example.org/" + "a" * 40 + "/",
    ],
)
def test_an_address_that_may_change_what_it_means_is_refused(url):
    with pytest.raises(ValueError, match=r"must begin with https|is not pinned"):
        UrlSource(url=url, files={"m.pt": {}})


def test_a_release_is_pinned():
    assert (
        UrlSource(url="https://github.com/a/b/releases/download/v1/", files=["m.model"]).files["m.model"].sha256 is None
    )


@pytest.mark.parametrize("name", ["../m.pt", "/m.pt", "a/../../m.pt", ".hidden", "a//b", ""])
def test_a_file_name_that_leaves_its_folder_is_refused(name):
    with pytest.raises(ValueError, match="files"):
        HubSource(hub="a/b", files={name: {}})


def test_a_tombstone_needs_no_more_than_its_reason():
    page = "---\nmlzoo:\n  name: old\n  retired:\n    reason: It was wrong.\n    successor: new\n---\n"
    assert cards.parse(page) == Tombstone(name="old", retired={"reason": "It was wrong.", "successor": "new"})


def test_what_is_derived_keeps_licence_and_authors_and_loses_its_sources():
    card = cards.derived(cards.parse(PAGE), "mine")
    assert (card.name, card.license, card.sources, card.aliases) == ("mine", "bsd-3-clause", (), ())
    assert card.base_model == "materialyze/M3GNet-PES-ANI-1x-Subset"
    assert card.citation == cards.parse(PAGE).citation
    assert cards.parse(cards.page(card)) == card


def test_a_derived_name_is_made_one_that_a_card_may_have():
    card = cards.derived(cards.parse(PAGE), "My Weight!")
    assert card.name == "my-weight-"
    assert cards.parse(cards.page(card)).license == "bsd-3-clause"


def test_the_schema_in_the_repository_is_todays():
    schema = json.loads((PAGES / "schema.json").read_text())
    assert schema == cards.json_schema()
    assert {"name", "license", "sources", "elements", "predicts", "theory"} <= schema["properties"].keys()
    assert isinstance(cards.parse(PAGE), Card)
