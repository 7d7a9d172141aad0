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


def written(shared: Path) -> str:
    """What the format pages say."""
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted((shared / "formats").glob("*.md")))


def of_mace_torch(shared: Path) -> dict[str, tuple[str, str, str, str]]:
    """Files of mace-torch's foundation models: repository, release or folder, elements, licence.

    A row that names no repository means that of the row above, and `{a,b}` in a name are two files.
    """
    rows = re.findall(r"^\|(.*)\|$", (shared / "formats/mace-torch.md").read_text(encoding="utf-8"), re.MULTILINE)
    found, repository, place = {}, "", ""
    for row in rows[2:]:  # behind the title
        _, names, where, elements, _, terms = map(str.strip, row.split("|"))
        if where != "same":
            repository = next(iter(re.findall(r"^gh ([\w-]+)", where)), repository)
            place = where.split()[-1].rstrip("/")
        parts = re.fullmatch(r"(.*)\{(.*)\}(.*)", names)
        files = [parts[1] + part + parts[3] for part in parts[2].split(",")] if parts else names.split(", ")
        found |= dict.fromkeys(files, (repository, place, elements, terms))
    return found


def is_written(shared: Path, source: UrlSource) -> bool:
    """Whether a format page has repository, folder or release, and files of an address."""
    address = r"https://raw\.githubusercontent\.com/([^/]+/[^/]+)/([0-9a-f]{40})/(\w+)/([^/]+)/"
    if matgl := re.fullmatch(address, source.url):
        repository, commit, folder, name = matgl.groups()
        known, names = written(shared), {path.name for path in (shared / "weights").glob("*/*")}
        there = name in names or re.search(rf"\b{re.escape(name)}\b", known)
        return bool(there) and {f"`{repository}`", f"`{commit}`", f"`{folder}/NAME/`"} <= set(
            re.findall("`[^`]+`", known)
        )
    release = r"https://github\.com/ACEsuit/([\w-]+)/releases/download/(\w+)/"
    folder = r"https://raw\.githubusercontent\.com/ACEsuit/([\w-]+)/[0-9a-f]{40}/(\w+)/"
    where = re.fullmatch(release, source.url) or re.fullmatch(folder, source.url)
    published = of_mace_torch(shared)
    return where is not None and all(published.get(name, ())[:2] == where.groups() for name in source.files)


@each_card
def test_no_source_is_invented(shared, card):
    assert card.sources
    for source in card.sources:
        if isinstance(source, HubSource):
            rows = [row for row in written(shared).splitlines() if row.startswith("|") and f"`{source.hub}`" in row]
            files = {f"`{name}`" for name in source.files}
            assert any("the same three" in row or files <= set(re.findall("`[^`]+`", row)) for row in rows), source
        elif isinstance(source, UrlSource):
            assert is_written(shared, source), source


@each_card
def test_what_nobody_has_seen_is_said_to_be_so(card):
    text = " ".join(card.text.split())
    if not any(file.sha256 for source in card.sources for file in source.files.values()):
        assert "seen by mlzoo's authors" in text
    if card.format == "mace-torch":  # at a commit of which only the folder is known
        commits = [
            re.findall(r"/([0-9a-f]{40})/", source.url) for source in card.sources if isinstance(source, UrlSource)
        ]
        assert all(f"`{commit}`" in text and "has not been seen: if" in text for found in commits for commit in found)


@each_card
def test_elements_and_licence_of_files_that_are_not_at_hand_are_written(shared, card):
    """Of MACE, where no file can be asked."""
    if card.format in ("mlip-1", "mlip-2"):
        (elements,) = re.findall(r"Elements \(both\): ([A-Z][A-Za-z ]+?)\s*\n", written(shared))
        assert list(card.elements) == elements.split()
        assert (card.license, card.commercial_use) == ("other", False)
    elif card.format == "mace-torch":
        (file,) = card.sources[0].files
        _, _, elements, terms = of_mace_torch(shared)[file]
        assert len(card.elements) == int(elements.partition(":")[0])
        assert elements.partition(": ")[2].split() in ([], list(card.elements))
        stated = {"MIT": ("mit", None), "ASL": ("Academic Software License", False)}[terms]
        assert (card.license_name or card.license, card.commercial_use) == stated


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mace-spice2", "mlip/v01_spice2.zip"),
        ("mace-mp-0-small", "mace-torch/mp0-small-like.model"),
        ("mace-mp-0-medium", "mace-torch/mp0-medium-like.model"),
        ("mace-mp-0-large", "mace-torch/large-like-l2.model"),
        ("mace-mpa-0-medium", "mace-torch/mpa0-medium-like.model"),
        ("mace-mh-1", "mace-torch/mh-like.model"),
        ("mace-off23-small", "mace-torch/off23-small-like.model"),
    ],
)
def test_a_page_predicts_what_random_weights_of_its_kind_predict(shared, name, file, quiet):
    card = CARDS[name]
    model = mlzoo.load(shared / "weights" / file, device="cpu", exact=True)
    assert card.dtype == str(model.dtype).removeprefix("torch.")
    assert dict(card.predicts) == {prediction.name: prediction.unit for prediction in model.model.predicts}
    assert {"charge", "spin"} & {condition.name for condition in model.model.conditions} == set()


def test_the_numbers_on_the_page_of_mace_spice2_are_those_of_its_architecture(shared):
    same = weights.read_json(shared / "weights/mlip/v01_spice2.json")  # with random weights
    card, said = CARDS["mace-spice2"], same["config"]
    assert [chemical_symbols[int(z)] for z in same["dataset_info"]["atomic_energies_map"]] == list(card.elements)
    for number in (
        f"{said['num_layers']} layers",
        f"{said['num_channels']} channels",
        f"l ≤ {said['l_max']}",
        f"correlation order {said['correlation']}",
        f"{said['num_bessel']} Bessel functions",
        f"{same['num_parameters']:,} parameters",
    ):
        assert number in card.text


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
