"""Every page in `model_cards` says what is so: of its sources, of its files, of the model that they make."""

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
MEGNETS = {  # names and files of the original MEGNets, in github.com/materialsvirtuallab/megnet, megnet/utils/models.py
    "Eform_MP_2019": "mp-2019.4.1/formation_energy.hdf5",
    "Eform_MP_2018": "mp-2018.6.1/formation_energy.hdf5",
    "Efermi_MP_2019": "mp-2019.4.1/efermi.hdf5",
    "Bandgap_classifier_MP_2018": "mp-2018.6.1/band_classification.hdf5",
    "Bandgap_MP_2018": "mp-2018.6.1/band_gap_regression.hdf5",
    "logK_MP_2018": "mp-2018.6.1/log10K.hdf5",
    "logG_MP_2018": "mp-2018.6.1/log10G.hdf5",
    "logK_MP_2019": "mp-2019.4.1/log10K.hdf5",
    "logG_MP_2019": "mp-2019.4.1/log10G.hdf5",
}
HUB_LICENSES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "other", "unknown"}

each_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
each_megnet_of_keras = pytest.mark.parametrize(
    "card", [card for card in CARDS.values() if card.format == "megnet-keras"], ids=lambda card: card.name
)
each_entry = pytest.mark.parametrize(("stem", "entry"), ENTRIES.items(), ids=ENTRIES)


def published(shared: Path, card: Card) -> Path | None:
    """A card's weight among the published ones beside the repository: its folder, or its one file with a page beside."""
    for source in card.sources:
        if isinstance(source, UrlSource) and (folder := folder_at_hand(shared, source)):
            first = next(iter(source.files))
            return folder / first if all(name.startswith(first) for name in source.files) else folder
    return None


def folder_at_hand(shared: Path, source: UrlSource) -> Path | None:
    """The folder beside the repository in which all files of an address lie."""
    folders = (shared / "weights").glob(f"*/{source.url.rstrip('/').rsplit('/', 1)[1]}")
    return next((folder for folder in folders if all((folder / name).is_file() for name in source.files)), None)


def at_hand(shared: Path, card: Card) -> Path:
    folder = ROOT / "mlzoo" / "embedded" / card.name
    found = folder if folder.is_dir() else published(shared, card)
    if found is None:
        pytest.skip(f"the files of {card.name} are not at hand")
    return found


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

    A row that names a release only means the repository of the releases above, and `{a,b}` in a name are two files.
    """
    rows = re.findall(r"^\|(.*)\|$", (shared / "formats/mace-torch.md").read_text(encoding="utf-8"), re.MULTILINE)
    found, repository, releases, place = {}, "", "", ""
    for row in rows[2:]:  # behind the title
        _, names, where, elements, _, terms = map(str.strip, row.split("|"))
        if where != "same":
            repository = next(iter(re.findall(r"^gh ([\w-]+)", where)), releases)
            releases = releases if "raw" in where else repository
            place = where.split()[-1].rstrip("/")
        parts = re.fullmatch(r"(.*)\{(.*)\}(.*)", names)
        files = [parts[1] + part + parts[3] for part in parts[2].split(",")] if parts else names.split(", ")
        found |= dict.fromkeys(files, (repository, place, elements, terms))
    return found


def is_written(shared: Path, source: UrlSource) -> bool:
    """Whether a format page has repository, commit or release, folder, and files of an address.

    Files that are not at hand have names that are written too: MatGL's are always the same three.
    """
    known = written(shared)
    places = r"`([\w-]+/[\w-]+)` at (?:commit )?`([0-9a-f]{40})`(?:, folder | \()`([\w./-]+/)`"
    for repository, commit, folder in re.findall(places, known):
        start = f"https://raw.githubusercontent.com/{repository}/{commit}/{folder.removesuffix('NAME/')}"
        if source.url.startswith(start):
            rest = source.url.removeprefix(start).rstrip("/")
            matgl = {*source.files} == {"model.json", "model.pt", "state.pt"} and re.search(
                rf"\b{re.escape(rest)}\b", known
            )
            megnet = [f"{rest}/{name}" for name in source.files][::2] in [[file] for file in MEGNETS.values()]
            return "/" not in rest and bool(folder_at_hand(shared, source) or matgl or megnet)
    release = r"https://github\.com/ACEsuit/([\w-]+)/releases/download/(\w+)/"
    folder = r"https://raw\.githubusercontent\.com/ACEsuit/([\w-]+)/[0-9a-f]{40}/(\w+)/"
    where = re.fullmatch(release, source.url) or re.fullmatch(folder, source.url)
    published = of_mace_torch(shared)
    return where is not None and all(published.get(name, ())[:2] == where.groups() for name in source.files)


@each_card
def test_no_source_is_invented(shared, card):
    assert card.sources or ("**No source**" in card.text and "load it by its path" in " ".join(card.text.split()))
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
        if card.format == "megnet-keras":
            assert re.search(r"not been seen by mlzoo's authors\*\* at the commit", text)
            assert all(f"`{commit}`" in text for commit in re.findall(r"/([0-9a-f]{40})/", card.sources[0].url))
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
        table = of_mace_torch(shared)
        named = [*(card.sources[0].files if card.sources else card.aliases)]  # a file without a source is an alias
        (file,) = [name for name in table if name in named or name.removesuffix(".model") in named]
        _, _, elements, terms = table[file]
        count, symbols = re.fullmatch(r"(\d*):?(.*)", elements).groups()
        assert len(card.elements) == int(count or len(symbols.split()))
        assert symbols.split() in ([], list(card.elements))
        stated = {"MIT": ("mit", None), "ASL": ("Academic Software License", False)}[terms]
        assert (card.license_name or card.license, card.commercial_use) == stated


def test_every_model_that_mace_torch_loads_by_name_has_a_page(shared):
    files = {name for card in CARDS.values() for source in card.sources for name in source.files}
    names = {spelling.lower() for entry in ENTRIES.values() for spelling in (entry.name, *entry.aliases)}
    without = [
        name for name in of_mace_torch(shared) if not {name, name.lower().removesuffix(".model")} & (files | names)
    ]
    assert [name for name in without if not name.startswith("MACE-POLAR-1-")] == []
    assert {f"mace-polar-1-{size}" for size in "sml"} <= names  # which are refused


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("small-0b", "mace-mp-0b-small"),
        ("medium-0b", "mace-mp-0b-medium"),
        ("small-0b2", "mace-mp-0b2-small"),
        ("medium-0b2", "mace-mp-0b2-medium"),
        ("large-0b2", "mace-mp-0b2-large"),
        ("medium-0b3", "mace-mp-0b3-medium"),
        ("medium-mpa-0", "mace-mpa-0-medium"),
        ("small-omat-0", "mace-omat-0-small"),
        ("medium-omat-0", "mace-omat-0-medium"),
        ("mace-matpes-pbe-0", "mace-matpes-pbe-0"),
        ("mace-matpes-r2scan-0", "mace-matpes-r2scan-0"),
        ("mh-0", "mace-mh-0"),
        ("mh-1", "mace-mh-1"),
        ("MACE-OFF23b_medium", "mace-off23b-medium"),
        ("MACE-OFF24_medium", "mace-off24-medium"),
        ("MACE-omol-0-extra-large-1024", "mace-omol-0-extra-large"),
        ("mace_anicc", "mace-ani-cc"),
    ],
)
def test_what_mace_torchs_loaders_call_a_model_is_an_alias(typed, name):
    assert mlzoo.card(typed).name == name


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
        ("mace-mp-0b-small", "mace-torch/mp0b-small-like.model"),
        ("mace-mp-0b3-medium", "mace-torch/mpa0-medium-like.model"),
        ("mace-omat-0-medium", "mace-torch/mpa0-medium-like.model"),
        ("mace-mh-0", "mace-torch/mh-like.model"),
        ("mace-omol-0-extra-large", "mace-torch/omol-like.model"),
    ],
)
def test_a_page_predicts_what_random_weights_of_its_kind_predict(shared, name, file, quiet):
    card = CARDS[name]
    model = mlzoo.load(shared / "weights" / file, device="cpu", exact=True)
    assert card.dtype == str(model.dtype).removeprefix("torch.")
    assert dict(card.predicts) == {prediction.name: prediction.unit for prediction in model.model.predicts}
    read = {condition.name for condition in model.model.conditions}
    assert {"charge", "spin"} & read == {name for name in ("charge", "spin") if getattr(card, name)}


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
    for source in card.sources:
        if isinstance(source, UrlSource):
            folder = folder_at_hand(shared, source)
            for name, file in source.files.items():
                known = (sha256(folder / name), (folder / name).stat().st_size) if folder else (None, None)
                assert (file.sha256, file.bytes) == known, name


@each_card
def test_the_copyright_notice_is_that_of_the_licence_at_hand(shared, card):
    """Of the TensorFlow originals, whose licences lie beside them."""
    text = {"megnet-keras": "megnet-tf/LICENSE.md", "m3gnet-tf": "m3gnet-tf/LICENSE"}.get(card.format)
    if text is not None:
        assert f"{card.copyright}\n" in (shared / "weights" / text).read_text(encoding="utf-8")
        assert card.license == "bsd-3-clause"


@each_megnet_of_keras
def test_the_original_megnets_answer_to_upstreams_names(card):
    (alias,) = card.aliases
    (source,) = card.sources
    folder = source.url.rstrip("/").rsplit("/", 1)[1]
    assert [f"{folder}/{name}" for name in source.files] == [MEGNETS[alias], f"{MEGNETS[alias]}.json"]


@each_megnet_of_keras
def test_the_page_of_an_original_megnet_says_what_its_json_says(shared, card):
    weight = at_hand(shared, card)
    said = weights.read_json(weight.with_name(f"{weight.name}.json"))
    metadata, text = said["metadata"], " ".join(card.text.split())
    (size,) = re.findall(r"total data size is (\d+)", metadata["description"])
    assert size in card.training_data
    assert f"{int(size):_}".replace("_", " " if int(size) > 9999 else "") in text
    assert str(metadata["metric value"]) in text
    assert f"cutoff {said['graph_converter']['cutoff']:g} Å" in text


@each_megnet_of_keras
def test_elements_that_no_crystal_of_the_training_data_had_are_named(shared, card):
    """Keras draws a row between -0.05 and 0.05, and training moves it away from there."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(at_hand(shared, card)) as file:
        tables = []
        file["model_weights"].visititems(lambda name, found: tables.append(found) if "embeddings" in name else None)
        (rows,) = [table[1:] for table in tables]  # row 0 belongs to no element
    touched = [element for element, row in zip(chemical_symbols[1:95], rows, strict=True) if abs(row).max() > 0.05]
    assert list(card.elements) == touched
    pattern = r"\| elements \| (\d+): H to Pu without (.+), whose rows have never been trained \|"
    ((count, without),) = re.findall(pattern, card.text)
    assert int(count) == len(touched)
    assert re.split(", | and ", without) == [element for element in chemical_symbols[1:95] if element not in touched]


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


def conventions(name: str) -> list[str | None]:
    """Those that a weight has reference values for, that of loading first."""
    return list(dict.fromkeys(check["options"].get("convention") for check in CHECKS[name]["checks"]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "convention"), [(name, convention) for name in CHECKS for convention in conventions(name)]
)
def test_the_original_codes_numbers_hold(shared, name, convention, dtype, quiet):
    card = CARDS[name]
    options = card.options if convention == conventions(name)[0] else {"convention": convention}
    predictor = mlzoo.load(at_hand(shared, card), device="cpu", dtype=dtype, **options)
    assert predictor.provenance.get("convention") == convention
    applicable = checks.applicable(CHECKS[name], predictor.provenance, predictor.model.elements)
    assert len(applicable["checks"]) >= 2
    found = checks.compare(predictor, applicable)
    assert {deviation.name for deviation in found} <= card.predicts.keys()
    assert [deviation for deviation in found if not deviation.holds] == []


def as_loaded(name: str) -> list[dict]:
    return [check for check in CHECKS[name]["checks"] if check["options"].get("convention") == conventions(name)[0]]


@pytest.mark.parametrize("name", CHECKS)
def test_the_number_on_the_page_is_one_of_them(name):
    key = "energy" if "energy" in CARDS[name].predicts else next(iter(CARDS[name].predicts))
    digits = 6 if CHECKS[name]["tolerances"]["float64"] < 1e-6 else 4  # of a reference in float64, or in float32
    (stated,) = re.findall(rf"\*\*(−?\d+\.\d{{{digits}}}) {re.escape(CARDS[name].predicts[key])}\*\*", CARDS[name].text)
    values = [check["values"][key] for check in as_loaded(name)]
    assert stated in [f"{value:.{digits}f}".replace("-", "−") for value in values]


def test_the_page_of_the_band_gap_has_all_four_states():
    name = "megnet-mp-2019.4.1-bandgap-mfi"
    text = " ".join(CARDS[name].text.split())
    first = as_loaded(name)[:4]
    assert [check["conditions"]["state"] for check in first] == ["pbe", "gllb-sc", "hse", "scan"]
    for check in first:
        value = f"{check['values']['band_gap']:.6f} eV"
        assert re.search(rf'{re.escape(value)}(\*\*)? with `(state=")?{check["conditions"]["state"]}"?`', text)
