"""The catalogue: names, aliases, filters, retired names, and cards that others bring."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

import mlzoo
from mlzoo.cards import Tombstone, page
from mlzoo.catalogue import Catalogue, catalogue
from mlzoo.errors import DownloadError, UnknownModel, UnsupportedElement


def names(cards):
    return [card.name for card in cards]


def test_every_card_of_ours_can_be_read():
    assert catalogue().problems == []
    assert "mace-xtb-organic" in catalogue().cards


def test_a_model_answers_to_upstreams_names_in_any_case():
    card = mlzoo.card("m3gnet-r2scan-nabh")
    assert mlzoo.card("M3GNet-r2SCAN-NaBH") is card
    assert mlzoo.card("m3gnet-nabh") is card


@pytest.mark.parametrize(
    ("filters", "found", "left_out"),
    [
        ({"pattern": "*nabh"}, "m3gnet-r2scan-nabh", "mace-xtb-organic"),
        ({"pattern": "M3GNet-NaBH"}, "m3gnet-r2scan-nabh", "mace-xtb-organic"),
        ({"elements": ["H", "B"]}, "m3gnet-r2scan-nabh", "m3gnet-pes-ani-1x-subset"),
        ({"elements": "Cl"}, "mace-xtb-organic", "m3gnet-r2scan-nabh"),
        ({"predicts": "formation_energy_per_atom"}, "m3gnet-mp-2018.6.1-eform", "mace-xtb-organic"),
        ({"license": "MIT"}, "mace-xtb-organic", "m3gnet-r2scan-nabh"),
        ({"commercial_use": True}, "mace-xtb-organic", "m3gnet-pes-matpes-pbe-2025.2"),
        ({"commercial_use": False}, "m3gnet-pes-matpes-pbe-2025.2", "mace-xtb-organic"),
        ({"architecture": "mace"}, "mace-xtb-organic", None),
        ({"architecture": "m3gnet"}, None, "mace-xtb-organic"),
    ],
)
def test_filters(filters, found, left_out):
    listed = names(mlzoo.list_models(**filters))
    assert found is None or found in listed
    assert left_out not in listed


def test_a_retired_name_says_why_and_what_to_take_instead():
    with pytest.raises(
        UnknownModel, match=r"m3gnet-mp-2021\.2\.8-efs is not served: .*\. Use m3gnet-mp-2021\.2\.8-pes instead"
    ):
        mlzoo.load("M3GNet-MP-2021.2.8-EFS")


@pytest.mark.parametrize("typed", ["mace-polar-1-m", "polar-1-l", "MACE-POLAR-1-S", "mace_polar"])
def test_a_model_that_is_out_of_scope_says_what_else_there_is(typed):
    with pytest.raises(
        UnknownModel, match=r"mace-polar-1 is not served: .* mace-torch computes it.* reads charge and spin"
    ):
        mlzoo.load(typed)


@pytest.mark.parametrize("name", ["mace-off23b-medium", "mace-off24-medium", "mace-ani-cc"])
def test_a_model_without_a_source_says_where_to_get_it(name):
    with pytest.raises(
        DownloadError, match=rf"{name} cannot be fetched: no address .*{name}\.md says where .* by its path"
    ):
        mlzoo.load(name)


def test_on_a_clash_ours_stays_and_a_bundles_card_is_the_same_one():
    ours = mlzoo.card("mace-xtb-organic")
    theirs, tomb = (
        ours.model_copy(update={"summary": "Theirs."}),
        Tombstone(name="mace-xtb-organic", retired={"reason": "No."}),
    )
    known = Catalogue()
    known.add(ours, "mlzoo")
    known.add(theirs, "other-zoo")
    known.add(tomb, "third-zoo")
    known.add(theirs, "bundle")
    assert known.find("mace-xtb-organic") is ours
    assert known.find("other-zoo:mace-xtb-organic") is theirs
    assert known.name_of(theirs) == "other-zoo:mace-xtb-organic"
    assert sorted(known.cards) == ["mace-xtb-organic", "other-zoo:mace-xtb-organic"]
    with pytest.raises(UnknownModel, match="third-zoo:mace-xtb-organic is not served: No"):
        known.find("third-zoo:mace-xtb-organic")


def test_an_alias_of_ours_is_not_taken_over():
    known = Catalogue()
    known.add(mlzoo.card("m3gnet-r2scan-nabh"), "mlzoo")
    known.add(mlzoo.card("mace-xtb-organic").model_copy(update={"name": "m3gnet-nabh"}), "other-zoo")
    assert known.find("m3gnet-nabh").name == "m3gnet-r2scan-nabh"
    assert known.find("other-zoo:m3gnet-nabh").name == "m3gnet-nabh"


def test_what_is_no_chemical_symbol_is_refused():
    assert names(mlzoo.list_models(elements=["b", "NA"])) == names(mlzoo.list_models(elements=["B", "Na"])) != []
    with pytest.raises(UnsupportedElement, match=r"Xx is no chemical symbol"):
        mlzoo.list_models(elements=["Xx"])


PLUGIN = """
from pathlib import Path
from pydantic import BaseModel
from mlzoo.plugin import Architecture, hookimpl

@hookimpl
def mlzoo_architecture():
    return Architecture("odd", BaseModel, print, cards=Path(__file__).parent / "cards")
"""


@pytest.fixture
def site(tmp_path):
    """An installed plugin of others with two good cards, one of them of a name that we have, and a broken one."""
    package = tmp_path / "odd_zoo"
    (package / "cards").mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    ours = mlzoo.card("mace-xtb-organic")
    (package / "cards" / "ours.md").write_text(page(ours))
    (package / "cards" / "odd.md").write_text(page(ours.model_copy(update={"name": "odd-model"})))
    (package / "cards" / "broken.md").write_text("---\nmlzoo: {name: broken}\n---\n")
    metadata = tmp_path / "odd_zoo-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-zoo\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mlzoo]\nodd = odd_zoo\n")
    return tmp_path


def run(site, code):
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_cards_from_a_plugin(site):
    code = """
    import json, mlzoo
    listed = {name: card.package for name, card in __import__("mlzoo.catalogue", fromlist=["x"]).catalogue().cards.items()}
    three = ("mace-xtb-organic", "odd-model", "odd-zoo:mace-xtb-organic")
    same = [mlzoo.load(name, device="cpu").provenance["sha256"] for name in three]
    print(json.dumps([listed, same]))
    """
    out, err = run(site, code)
    listed, same = json.loads(out)
    assert listed["odd-model"] == listed["odd-zoo:mace-xtb-organic"] == "odd-zoo"
    assert listed["mace-xtb-organic"] == "mlzoo"
    assert same[0] == same[1] == same[2]
    assert "broken.md is not a valid card: " in err


def test_a_plugin_that_cannot_be_imported_stops_no_card(site):
    (site / "odd_zoo" / "__init__.py").write_text("1 / 0")
    out, err = run(site, "import mlzoo; print(mlzoo.card('mace-xtb-organic').name)")
    assert out.strip() == "mace-xtb-organic"
    assert "plugin 'odd' (odd_zoo, from odd-zoo) is broken: ZeroDivisionError" in err
