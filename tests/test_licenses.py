"""The licence is known before the download: announced once, refused by policy, carried over to what is derived."""

import logging
import shutil
from pathlib import Path

import pytest

import mlzoo
from mlzoo import cards, licenses
from mlzoo.cards import Card
from mlzoo.errors import RefusedLicense

MINIMAL = {
    "name": "any",
    "summary": "A weight.",
    "architecture": "m3gnet",
    "elements": ("H",),
    "predicts": {"energy": "eV"},
    "theory": "PBE",
    "training_data": "some",
    "dispersion": "none",
    "citation": "@misc{any}",
}
OWN = {"license": "other", "license_name": "Academic Software License", "license_link": "https://example.org/asl"}


@pytest.fixture(autouse=True)
def _nothing_announced_yet(monkeypatch):
    monkeypatch.setattr(licenses, "_announced", set())


@pytest.mark.parametrize("license", ["mit", "bsd-3-clause", "apache-2.0", "cc0-1.0", "cc-by-4.0"])
def test_a_permissive_licence_passes_without_a_word(license, caplog):
    licenses.check(Card(license=license, **MINIMAL).terms, "any", "permissive")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"license": "cc-by-nc-4.0"}, "which does not allow commercial use. It obliges to this: no commercial use"),
        ({**OWN, "commercial_use": False}, "Academic Software License (https://example.org/asl), which does not allow"),
        (
            {**OWN, "commercial_use": True, "obliges": "to cite"},
            "which allows commercial use. It obliges to this: to cite",
        ),
        (OWN, "which may not allow commercial use. It obliges to this: what its text says"),
        ({"license": "unknown"}, "no licence that anybody has stated, which counts as a restricted one"),
    ],
)
def test_what_restricts_is_announced_once_and_refused_by_policy(fields, words, caplog, monkeypatch):
    terms = Card(**fields, **MINIMAL).terms
    for _ in range(2):
        licenses.check(terms, "any")
    assert caplog.text.count("any is under") == 1
    assert words in caplog.text
    with pytest.raises(RefusedLicense, match=r"the policy 'permissive' refuses it, and nothing was downloaded"):
        licenses.check(terms, "any", "permissive")
    monkeypatch.setenv("MLZOO_LICENSE_POLICY", "permissive")
    with pytest.raises(RefusedLicense):
        licenses.check(terms, "any")
    licenses.check(terms, "any", "any")  # what is said here goes before what the environment says


def test_a_policy_that_does_not_exist(monkeypatch):
    with pytest.raises(RefusedLicense, match=r"license_policy='strict' is no policy\. Use one of any, permissive"):
        mlzoo.load("mace-xtb-organic", license_policy="strict")
    monkeypatch.setenv("MLZOO_LICENSE_POLICY", "PERMISSIVE")
    with pytest.raises(RefusedLicense, match="MLZOO_LICENSE_POLICY='PERMISSIVE' is no policy"):
        mlzoo.load("mace-xtb-organic")


@pytest.fixture
def restricted(tmp_path) -> Path:
    """The embedded weight as if it were somebody else's, under terms of their own."""
    folder = shutil.copytree(Path(mlzoo.__file__).parent / "embedded/mace-xtb-organic", tmp_path / "restricted")
    card = cards.parse((folder / "README.md").read_text())
    own = card.model_copy(update={**OWN, "commercial_use": False, "obliges": "to ask first", "copyright": "Theirs"})
    (folder / "README.md").write_text(cards.page(own))
    return folder


def test_a_licence_is_carried_over_to_what_is_saved(restricted, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="mlzoo"):
        saved = mlzoo.load(restricted, device="cpu").save(tmp_path / "tuned")
    again = mlzoo.load(saved, device="cpu")
    assert "tuned is under the Academic Software License" in caplog.text
    assert again.card.terms == licenses.License(
        "other", OWN["license_name"], OWN["license_link"], False, "to ask first"
    )
    assert again.card.base_model == "mace-xtb-organic"
    assert again.provenance["license"] == "Academic Software License"
    assert (saved / "LICENSE").read_text().startswith("Theirs\nAcademic Software License\nhttps://example.org/asl")
    with pytest.raises(RefusedLicense, match="tuned is under the Academic Software License"):
        mlzoo.load(saved, license_policy="permissive")


def test_a_weight_without_a_card_counts_as_restricted(restricted, caplog):
    (restricted / "README.md").unlink()
    config = restricted / "config.json"
    config.write_text(config.read_text() + "\n")  # or its checksums would tell whose it is
    assert mlzoo.load(restricted, device="cpu").card.license == "unknown"
    assert "restricted is under no licence that anybody has stated" in caplog.text
    with pytest.raises(RefusedLicense):
        mlzoo.load(restricted, license_policy="permissive")


def test_a_published_folder_is_recognised_by_its_checksums(shared, caplog):
    model = mlzoo.load(shared / "weights/matgl/M3GNet-MP-2021.2.8-PES", device="cpu", license_policy="permissive")
    assert model.card is mlzoo.card("m3gnet-mp-2021.2.8-pes")
    assert "licence" not in caplog.text


@pytest.mark.parametrize(
    ("fields", "id", "name"),
    [
        ({}, "unknown", "no licence stated"),
        ({"license": "mit"}, "MIT", "MIT License"),
        ({"license": ["mit"]}, "MIT", "MIT License"),
        ({"license": ["mit", "gpl-3.0"]}, "unknown", "no licence stated"),
        ({"license": "gpl-3.0"}, "other", "gpl-3.0"),
        ({"license": "other", "license_name": "asl"}, "other", "asl"),
    ],
)
def test_what_a_page_of_the_hub_states(fields, id, name):
    stated = licenses.stated(fields)
    assert (stated.id, stated.name) == (id, name)
    assert stated.restricts == (id != "MIT")
