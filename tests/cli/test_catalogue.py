"""What is there and under which licence: `mlzoo list`, `info` and `licenses`, as fast as a person types."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlzoo.catalogue import catalogue
from mlzoo.sources import store

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "model_cards"
FRONT = {page.stem: yaml.safe_load(page.read_text(encoding="utf-8").split("---\n")[1]) for page in PAGES.glob("*.md")}
SERVED = {name: fields for name, fields in FRONT.items() if "retired" not in fields["mlzoo"]}
UNKNOWN = " ".join(sorted(name for name, fields in SERVED.items() if fields["license"] == "unknown"))
RETIRED = "m3gnet-mp-2021.2.8-efs"


@pytest.fixture(scope="module", autouse=True)
def _without_what_bundles_brought_here(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "folder", lambda: tmp_path_factory.getbasetemp() / "none")
        catalogue.cache_clear()
        yield
    catalogue.cache_clear()


def names(table: str) -> set[str]:
    """First column of a table, without its title."""
    title, *rows = table.splitlines()
    assert title.split()[0] == "name"
    return {row.split()[0] for row in rows}


class TestList:
    def test_every_card_that_is_served(self, mlzoo):
        assert names(mlzoo("list").stdout) == SERVED.keys()

    def test_a_row_says_what_decides(self, mlzoo):
        (row,) = [row for row in mlzoo("list").stdout.splitlines() if row.startswith("m3gnet-r2scan-nabh")]
        cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
        assert cells == ["m3gnet-r2scan-nabh", "energy, forces, stress", "H B Na", "bsd-3-clause", "yes", "1.2 MB"]

    @pytest.mark.parametrize(
        ("words", "there", "not_there"),
        [
            ("--elements B,Na", "m3gnet-r2scan-nabh m3gnet-mp-2021.2.8-pes", "mace-xtb-organic"),
            (
                "--elements S,Cl --predicts forces",
                "mace-xtb-organic",
                "m3gnet-pes-ani-1x-subset m3gnet-mp-2018.6.1-eform",
            ),
            (
                "--predicts formation_energy_per_atom",
                "m3gnet-mp-2018.6.1-eform megnet-mp-2018.6.1-eform megnet-tf-mp-2018.6.1-formation-energy",
                "m3gnet-mp-2021.2.8-pes megnet-tf-mp-2018.6.1-band-gap",
            ),
            ("--predicts band_gap", "megnet-mp-2019.4.1-bandgap-mfi", "megnet-tf-mp-2018.6.1-band-classification"),
            (
                "--elements Ne",
                "megnet-tf-mp-2018.6.1-log10k",
                "megnet-tf-mp-2018.6.1-formation-energy mace-xtb-organic",
            ),
            ("--architecture megnet", "megnet-mp-2018.6.1-eform megnet-tf-mp-2019.4.1-efermi", "mace-xtb-organic"),
            ("--license MIT", "mace-xtb-organic", "m3gnet-mp-2021.2.8-pes"),
            ("--commercial-use", "mace-xtb-organic m3gnet-mp-2021.2.8-pes", UNKNOWN),
            ("--no-commercial-use", UNKNOWN, "mace-xtb-organic m3gnet-mp-2021.2.8-pes"),
            ("--architecture mace", "mace-xtb-organic", "m3gnet-mp-2021.2.8-pes"),
            ("*matpes*", "m3gnet-matpes-pbe-v2025.1-pes m3gnet-pes-matpes-pbe-2025.2", "mace-xtb-organic"),
            ("*matpes* --commercial-use", "m3gnet-matpes-pbe-v2025.1-pes", "m3gnet-pes-matpes-pbe-2025.2"),
        ],
    )
    def test_filters(self, mlzoo, words, there, not_there):
        found = names(mlzoo("list", *words.split()).stdout)
        assert set(there.split()) <= found
        assert not set(not_there.split()) & found

    @pytest.mark.parametrize("pattern", ["m3gnet-nabh", "*-NABH", "M3GNet-N*"])
    def test_a_pattern_also_fits_upstreams_names(self, mlzoo, pattern):
        assert names(mlzoo("list", pattern).stdout) == {"m3gnet-r2scan-nabh"}

    @pytest.mark.parametrize(
        ("pattern", "name"),
        [
            ("logK_MP_2018", "megnet-tf-mp-2018.6.1-log10k"),
            ("bandgap_classifier*", "megnet-tf-mp-2018.6.1-band-classification"),
            ("MEGNet-MP-2018.6.1-Eform", "megnet-mp-2018.6.1-eform"),
            ("MP-2021.2.8-EFS", "m3gnet-tf-mp-2021.2.8-efs"),
        ],
    )
    def test_the_tensorflow_originals_answer_to_upstreams_names_too(self, mlzoo, pattern, name):
        assert names(mlzoo("list", pattern).stdout) == {name}

    @pytest.mark.parametrize("words", [["chgnet*"], ["--elements", "Am"], ["--architecture", "nequip"]], ids=" ".join)
    def test_nothing_that_fits_is_said(self, mlzoo, words):
        asked = mlzoo("list", *words)
        assert (asked.exit_code, asked.output) == (
            1,
            "error: no model fits that. `mlzoo list` without options shows them all.\n",
        )

    def test_json_says_what_the_front_matter_says(self, mlzoo):
        found = {card["name"]: card for card in json.loads(mlzoo("list", "--json").stdout)}
        assert found.keys() == SERVED.keys()
        for name, card in found.items():
            assert card["license"] == SERVED[name]["license"]
            allowed = {"unknown": None, "other": SERVED[name]["mlzoo"].get("commercial_use")}
            assert card["commercial_use"] is allowed.get(card["license"], True)
            assert card["elements"] == SERVED[name]["mlzoo"]["elements"]


def test_the_readme_lists_the_same_models_under_the_same_licences(mlzoo):
    rows = re.findall(r"^\| \[`(.+)`\]\(model_cards/(.+)\.md\) \|.*\| (.+) \|$", (ROOT / "README.md").read_text(), re.M)
    assert all(name == page for name, page, _ in rows)
    licences = {name: licence.lower().replace("none stated", "unknown") for name, _, licence in rows}
    assert licences == {card["name"]: card["license"] for card in json.loads(mlzoo("list", "--json").stdout)}


class TestInfo:
    @pytest.mark.parametrize("name", ["m3gnet-r2scan-nabh", "m3gnet-nabh", "M3GNet-NaBH", "M3GNET-R2SCAN-NABH"])
    def test_by_name_and_alias_in_any_case(self, mlzoo, name):
        first, _, *lines = mlzoo("info", name).stdout.splitlines()
        assert first.startswith("m3gnet-r2scan-nabh: M3GNet potential for Na-B-H")
        said = {line[:16].strip(): line[16:] for line in lines}
        assert said["elements"] == "H B Na"
        assert said["theory"] == "r²SCAN"
        assert said["licence"] == "BSD 3-Clause License (https://spdx.org/licenses/BSD-3-Clause)"
        assert said["commercial use"] == "yes"
        assert said["aliases"] == "m3gnet-nabh"

    def test_an_unstated_licence(self, mlzoo):
        said = mlzoo("info", "m3gnet-pes-matpes-pbe-2025.2").stdout
        assert "licence         no licence stated" in said
        assert "commercial use  not known" in said
        assert "nothing is granted until the authors say what is allowed" in said

    def test_what_to_cite(self, mlzoo):
        said = mlzoo("info", "m3gnet-nabh", "--bibtex").stdout
        assert said.startswith("@article{")
        assert "doi     = {10.1016/j.joule.2025.102130}" in said
        assert said == FRONT["m3gnet-r2scan-nabh"]["mlzoo"]["citation"]

    def test_json(self, mlzoo):
        said = json.loads(mlzoo("info", "m3gnet-nabh", "--json").stdout)
        assert (said["name"], said["license"], said["commercial_use"]) == ("m3gnet-r2scan-nabh", "bsd-3-clause", True)
        assert said["predicts"]["forces"] == "eV/Å"
        assert said["bytes"] == 1_175_121  # model.json, model.pt and state.pt as published


@pytest.mark.parametrize("command", ["info", "licenses", "verify", "fetch"])
@pytest.mark.parametrize("asked", [RETIRED, RETIRED.upper()])
def test_a_retired_name_gives_its_reason_and_its_successor(mlzoo, command, asked):
    refused = mlzoo(command, asked)
    assert refused.exit_code == (1 if command == "fetch" else 2)
    assert f"error: {RETIRED} is not served: this was MatGL's first name of 2023" in refused.stderr
    assert refused.stderr.endswith(" Use m3gnet-mp-2021.2.8-pes instead.\n")


@pytest.mark.parametrize("command", ["info", "licenses", "verify"])
def test_an_unknown_name_offers_the_nearest(mlzoo, command):
    refused = mlzoo(command, "mace-xtb-organics")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "error: no model is called 'mace-xtb-organics'. Did you mean mace-xtb-organic" in refused.stderr
    assert "`mlzoo list` shows them all." in refused.stderr


class TestLicenses:
    def test_each_weight_stands_under_its_licence(self, mlzoo):
        titles = {"MIT License": "mit", "BSD 3-Clause License": "bsd-3-clause", "no licence stated": "unknown"}
        titles |= {fields["license_name"]: "other" for fields in SERVED.values() if "license_name" in fields}
        found = {}
        for group in mlzoo("licenses").stdout.strip().split("\n\n"):
            title, *lines = group.splitlines()
            (models,) = [line.split(maxsplit=1)[1] for line in lines if line.startswith("  models ")]
            found |= dict.fromkeys(models.split(", "), titles[title])
        assert found == {name: fields["license"] for name, fields in SERVED.items()}

    def test_a_group_says_what_its_licence_obliges_to(self, mlzoo):
        assert mlzoo("licenses", "m3gnet-nabh").stdout == (
            "BSD 3-Clause License\n"
            "  text            https://spdx.org/licenses/BSD-3-Clause\n"
            "  commercial use  yes\n"
            "  obliges to      keep the copyright notice and the licence text in copies; "
            "do not use the authors' names to endorse what you derive\n"
            "  notice to keep  Copyright (c) 2022, Materials Virtual Lab\n"
            "  models          m3gnet-r2scan-nabh\n\n"
        )

    def test_json(self, mlzoo):
        rows = {row["model"]: row for row in json.loads(mlzoo("licenses", "--json").stdout)}
        assert {name: row["license"] for name, row in rows.items()} == {
            name: fields["license"] for name, fields in SERVED.items()
        }
        assert all(row["obliges"] for row in rows.values())
        assert rows["mace-xtb-organic"]["copyright"] == FRONT["mace-xtb-organic"]["mlzoo"]["copyright"]


@pytest.mark.parametrize("words", [["list"], ["info", "mace-xtb-organic"]], ids=" ".join)
class TestStart:
    """In processes of their own."""

    def test_it_brings_in_nothing_heavy(self, words):
        code = """
import sys
from mlzoo.cli import app
try:
    app(sys.argv[1:])
finally:
    heavy = {"torch", "ase", "numpy", "pymatgen", "numba", "httpx", "requests"} & sys.modules.keys()
    print("heavy:", *sorted(heavy))
"""
        ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, encoding="utf-8", check=True)
        assert "mace-xtb-organic" in ran.stdout
        assert ran.stdout.splitlines()[-1] == "heavy:"
