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
from mlzoo.errors import UnknownModel, UnsupportedElement


def names(cards):
    return [card.name for card in cards]


def test_every_card_of_ours_can_be_read():
    assert catalogue().problems == []
    assert "m3gnet-emt" in catalogue().cards


def test_a_model_answers_to_upstreams_names_in_any_case():
    card = mlzoo.card("m3gnet-r2scan-nabh")
    assert mlzoo.card("M3GNet-r2SCAN-NaBH") is card
    assert mlzoo.card("m3gnet-nabh") is card


@pytest.mark.parametrize(
    ("filters", "found", "left_out"),
    [
        ({"pattern": "*nabh"}, "m3gnet-r2scan-nabh", "m3gnet-emt"),
        ({"pattern": "M3GNet-NaBH"}, "m3gnet-r2scan-nabh", "m3gnet-emt"),
        ({"elements": ["H", "B"]}, "m3gnet-r2scan-nabh", "m3gnet-pes-ani-1x-subset"),
        ({"elements": "Cu"}, "m3gnet-emt", "m3gnet-r2scan-nabh"),
        ({"predicts": "formation_energy_per_atom"}, "m3gnet-mp-2018.6.1-eform", "m3gnet-emt"),
        ({"license": "MIT"}, "m3gnet-emt", "m3gnet-r2scan-nabh"),
        ({"commercial_use": True}, "m3gnet-emt", "m3gnet-pes-matpes-pbe-2025.2"),
        ({"commercial_use": False}, "m3gnet-pes-matpes-pbe-2025.2", "m3gnet-emt"),
        ({"architecture": "m3gnet"}, "m3gnet-emt", None),
        ({"architecture": "mace"}, None, "m3gnet-emt"),
    ],
)
def test_filters(filters, found, left_out):
    listed = names(mlzoo.list_models(**filters))
    assert found is None or found in listed
    assert left_out not in listed


def test_a_retired_name_says_why_and_what_to_take_instead():
    with pytest.raises(
        UnknownModel, match=r"m3gnet-mp-2021\.2\.8-efs is retired: .*\. Use m3gnet-mp-2021\.2\.8-pes instead"
    ):
        mlzoo.load("M3GNet-MP-2021.2.8-EFS")


def test_on_a_clash_ours_stays_and_a_bundles_card_is_the_same_one():
    ours = mlzoo.card("m3gnet-emt")
    theirs, tomb = (
        ours.model_copy(update={"summary": "Theirs."}),
        Tombstone(name="m3gnet-emt", retired={"reason": "No."}),
    )
    known = Catalogue()
    known.add(ours, "mlzoo")
    known.add(theirs, "other-zoo")
    known.add(tomb, "third-zoo")
    known.add(theirs, "bundle")
    assert known.find("m3gnet-emt") is ours
    assert known.find("other-zoo:m3gnet-emt") is theirs
    assert known.name_of(theirs) == "other-zoo:m3gnet-emt"
    assert sorted(known.cards) == ["m3gnet-emt", "other-zoo:m3gnet-emt"]
    with pytest.raises(UnknownModel, match="third-zoo:m3gnet-emt is retired: No"):
        known.find("third-zoo:m3gnet-emt")


def test_an_alias_of_ours_is_not_taken_over():
    known = Catalogue()
    known.add(mlzoo.card("m3gnet-r2scan-nabh"), "mlzoo")
    known.add(mlzoo.card("m3gnet-emt").model_copy(update={"name": "m3gnet-nabh"}), "other-zoo")
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
    emt = mlzoo.card("m3gnet-emt")
    (package / "cards" / "emt.md").write_text(page(emt))
    (package / "cards" / "odd.md").write_text(page(emt.model_copy(update={"name": "odd-model"})))
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
    same = [mlzoo.load(name, device="cpu").provenance["sha256"] for name in ("m3gnet-emt", "odd-model", "odd-zoo:m3gnet-emt")]
    print(json.dumps([listed, same]))
    """
    out, err = run(site, code)
    listed, same = json.loads(out)
    assert listed["odd-model"] == listed["odd-zoo:m3gnet-emt"] == "odd-zoo"
    assert listed["m3gnet-emt"] == "mlzoo"
    assert same[0] == same[1] == same[2]
    assert "broken.md is not a valid card: " in err


def test_a_plugin_that_cannot_be_imported_stops_no_card(site):
    (site / "odd_zoo" / "__init__.py").write_text("1 / 0")
    out, err = run(site, "import mlzoo; print(mlzoo.card('m3gnet-emt').name)")
    assert out.strip() == "m3gnet-emt"
    assert "plugin 'odd' (odd_zoo, from odd-zoo) is broken: ZeroDivisionError" in err
