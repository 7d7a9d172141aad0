"""Every page in `model_cards` says what is so: of its sources, of its files, of the model that they make."""

import logging
import re
from pathlib import Path

import pytest
from ase.data import chemical_symbols

import mlzoo
from mlzoo import checks, weights
from mlzoo.cards import Card, HubSource, PackageSource, Tombstone, UrlSource, front_matter, parse
from mlzoo.checksums import sha256

ROOT = Path(__file__).parents[1]
PAGES = {page.stem: page for page in sorted((ROOT / "model_cards").glob("*.md"))}
ENTRIES = {stem: parse(page.read_text(encoding="utf-8"), path=page) for stem, page in PAGES.items()}
CARDS = {stem: entry for stem, entry in ENTRIES.items() if isinstance(entry, Card)}
CHECKS = {path.stem: weights.read_json(path) for path in sorted((ROOT / "model_cards" / "checks").glob("*.json"))}
HUB_LICENSES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "other", "unknown"}

each_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
each_entry = pytest.mark.parametrize(("stem", "entry"), ENTRIES.items(), ids=ENTRIES)


def published(shared: Path, card: Card) -> Path | None:
    """The folder of a card's files among the published weights beside the repository."""
    folders = [source.url.rstrip("/").rsplit("/", 1)[1] for source in card.sources if isinstance(source, UrlSource)]
    return next((path for name in folders for path in (shared / "weights").glob(f"*/{name}")), None)


def at_hand(shared: Path, card: Card) -> Path:
    folder = ROOT / "mlzoo" / "embedded" / card.name
    found = folder if folder.is_dir() else published(shared, card)
    if found is None:
        pytest.skip(f"the files of {card.name} are not at hand")
    return found


@pytest.fixture
def quiet():
    logging.getLogger("mlzoo").setLevel(logging.ERROR)
    yield
    logging.getLogger("mlzoo").setLevel(logging.NOTSET)


@each_entry
def test_a_page_is_named_for_its_weight(stem, entry):
    assert entry.name == stem


def test_no_two_pages_answer_to_the_same_name():
    names = [spelling.lower() for entry in ENTRIES.values() for spelling in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


@each_entry
def test_a_retired_name_points_to_one_that_is_served(stem, entry):
    if isinstance(entry, Tombstone) and entry.retired.successor:
        assert entry.retired.successor in CARDS


@each_card
def test_the_front_matter_is_the_hubs(card):
    fields, _ = front_matter(card.path.read_text(encoding="utf-8"))
    assert fields["license"] in HUB_LICENSES
    assert (fields["library_name"], fields["pipeline_tag"]) == ("mlzoo", "graph-ml")
    assert {"mlzoo", card.architecture} <= set(fields["tags"])
    assert card.terms.obliges
    assert bool(card.copyright) == (card.license not in ("other", "unknown"))


@each_card
def test_the_citation_is_bibtex_and_the_page_says_it_too(card):
    entries = re.split(r"\n\n(?=@)", card.citation.strip())
    assert all(re.match(r"@(article|misc)\{\w+,\n", entry) and entry.endswith("}") for entry in entries)
    for doi in re.findall(r"doi\s*= \{(.+)\}", card.citation):
        assert f"https://doi.org/{doi}" in card.text


@each_card
def test_the_page_loads_the_model_by_its_name(card):
    assert card.text.startswith(f"# {card.name}\n")
    assert re.search(rf'mlzoo\.(load|calculator)\("{re.escape(card.name)}"', card.text)


@each_card
def test_no_source_is_invented(shared, card):
    known = "\n".join(page.read_text(encoding="utf-8") for page in sorted((shared / "formats").glob("*.md")))
    names = {path.name for path in (shared / "weights").glob("*/*")}
    assert card.sources
    for source in card.sources:
        if isinstance(source, HubSource):
            assert f"`{source.hub}`" in known
        elif isinstance(source, UrlSource):
            where = r"https://raw\.githubusercontent\.com/([^/]+/[^/]+)/([0-9a-f]{40})/(\w+)/([^/]+)/"
            repository, commit, folder, name = re.fullmatch(where, source.url).groups()
            assert f"`{repository}`" in known
            assert f"`{commit}`" in known
            assert f"`{folder}/NAME/`" in known
            assert name in names or re.search(rf"\b{re.escape(name)}\b", known)


@each_card
def test_checksums_are_those_of_the_published_files(shared, card):
    folder = published(shared, card)
    if folder is None:
        pytest.skip(f"the files of {card.name} are not at hand")
    for source in card.sources:
        if isinstance(source, UrlSource):
            for name, file in source.files.items():
                assert (file.sha256, file.bytes) == (sha256(folder / name), (folder / name).stat().st_size), name


@each_card
def test_checksums_are_those_of_the_installed_files(card):
    for source in card.sources:
        if isinstance(source, PackageSource):
            folder = Path(mlzoo.__file__).parent / source.folder
            assert {*source.files, "README.md"} == {path.name for path in folder.iterdir()}
            assert (folder / "README.md").read_bytes() == card.path.read_bytes()
            for name, file in source.files.items():
                assert (file.sha256, file.bytes) == (sha256(folder / name), (folder / name).stat().st_size), name


@each_card
def test_elements_and_units_are_the_models(shared, card, quiet):
    model = mlzoo.load(at_hand(shared, card), device="cpu", exact=True, **card.options).model
    assert list(card.elements) == [chemical_symbols[z] for z in model.elements]
    assert dict(card.predicts) == {prediction.name: prediction.unit for prediction in model.predicts}
    assert {"charge": card.charge, "spin": card.spin} == {
        name: any(condition.name == name for condition in model.conditions) for name in ("charge", "spin")
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("convention", [None, "legacy"])
@pytest.mark.parametrize("name", CHECKS)
def test_the_original_codes_numbers_hold(shared, name, convention, dtype, quiet):
    options = {"convention": convention} if convention else CARDS[name].options
    predictor = mlzoo.load(at_hand(shared, CARDS[name]), device="cpu", dtype=dtype, **options)
    applicable = checks.applicable(CHECKS[name], predictor.provenance)
    assert len(applicable["checks"]) >= 2
    found = checks.compare(predictor, applicable)
    assert {deviation.name for deviation in found} <= CARDS[name].predicts.keys()
    assert [deviation for deviation in found if not deviation.holds] == []


@pytest.mark.parametrize("name", CHECKS)
def test_the_energy_on_the_page_is_one_of_them(name):
    (stated,) = re.findall(r"\*\*(−\d+\.\d{6}) eV(?:/atom)?\*\*", CARDS[name].text)
    values = [check["values"] for check in CHECKS[name]["checks"] if check["options"] == {"convention": "dstfix"}]
    key = "energy" if "energy" in CARDS[name].predicts else "formation_energy_per_atom"
    assert stated in [f"{value[key]:.6f}".replace("-", "−") for value in values]
