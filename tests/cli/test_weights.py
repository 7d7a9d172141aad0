"""`mlzoo verify`, `convert` and `lock`, on the weight that comes with mlzoo."""

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import mlzoo as package
from mlzoo.cli import app

EMBEDDED = Path(package.__file__).parent / "embedded" / "mace-xtb-organic"
SOURCE = "package:mlzoo/embedded/mace-xtb-organic"
FLOAT32 = json.loads((EMBEDDED / "checks.json").read_text())["tolerances"]["float32"]  # eV an atom, eV/Å, eV/Å³


@pytest.fixture
def copied() -> Path:
    """The embedded weight as a folder of the user's."""
    return shutil.copytree(EMBEDDED, Path("mine"))


def shift_energies(folder: Path, by: float) -> None:
    """Write other reference values than the weight gives, by so many eV an atom."""
    reference = json.loads((folder / "checks.json").read_text())
    for check in reference["checks"]:
        check["values"]["energy"] += by * len(check["numbers"])
    (folder / "checks.json").write_text(json.dumps(reference))


class TestVerify:
    def test_a_table_of_what_was_compared(self, mlzoo):
        asked = mlzoo("verify", "mace-xtb-organic", "--device", "cpu", "--exact", "--dtype", "float64")
        assert asked.exit_code == 0
        first, titles, *rows = asked.stdout.splitlines()
        assert first == "mace-xtb-organic on cpu, float64, kernels plain:"
        assert titles.split() == ["property", "largest", "deviation", "at", "most", "unit"]
        assert {row.split("  ")[0] for row in rows} == {"energy per atom", "energies", "forces", "virial", "stress"}
        for row in rows:
            *_, largest, tolerance, _unit, holds = row.split()
            assert (tolerance, holds) == ("1e-08", "holds")
            assert float(largest) <= 1e-8

    def test_json(self, mlzoo):
        said = json.loads(mlzoo("verify", "mace-xtb-organic", "--device", "cpu", "--json").stdout)
        assert (said["model"], said["device"], said["dtype"]) == ("mace-xtb-organic", "cpu", "float32")
        assert {each["unit"] for each in said["deviations"]} == {"eV", "eV/Å", "eV/Å³"}
        assert all(each["holds"] and each["largest"] <= each["tolerance"] == FLOAT32 for each in said["deviations"])

    @pytest.mark.parametrize(("part", "holds"), [(0.8, True), (1.2, False)])
    def test_other_reference_values_are_found_out(self, mlzoo, copied, part, holds):
        shift_energies(copied, part * FLOAT32)
        asked = mlzoo("verify", "./mine", "--device", "cpu")
        assert asked.exit_code == (0 if holds else 1)
        (energy,) = [row for row in asked.stdout.splitlines() if row.startswith("energy per atom")]
        assert energy.endswith("holds" if holds else "FAILS")
        others = [row for row in asked.stdout.splitlines()[2:] if row != energy]
        assert all(row.endswith("holds") for row in others)

    def test_other_reference_values_are_found_out_in_json(self, mlzoo, copied):
        shift_energies(copied, 1.2 * FLOAT32)
        asked = mlzoo("verify", "./mine", "--device", "cpu", "--json")
        assert asked.exit_code == 1
        assert [each["name"] for each in json.loads(asked.stdout)["deviations"] if not each["holds"]] == ["energy"]

    def test_a_weight_without_reference_values(self, mlzoo, copied):
        (copied / "checks.json").unlink()
        asked = mlzoo("verify", "./mine")
        assert (asked.exit_code, asked.stdout) == (1, "")
        assert asked.stderr == "error: no reference value is known for mine as it was loaded.\n"


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    """The embedded weight as `mlzoo convert` writes it."""
    folder = tmp_path_factory.mktemp("convert") / "my-weight"
    ran = CliRunner().invoke(app, ["convert", "mace-xtb-organic", "-o", str(folder)], catch_exceptions=False)
    assert ran.exit_code == 0
    assert f"{folder}: mace-xtb-organic under MIT License; read back, largest deviation " in ran.stdout
    return folder


class TestConvert:
    def test_it_writes_the_whole_layout(self, converted):
        files = {"README.md", "LICENSE", "config.json", "model.safetensors", "checks.json"}
        assert {path.name for path in converted.iterdir()} == files

    def test_the_licence_goes_along(self, converted):
        card = yaml.safe_load((converted / "README.md").read_text(encoding="utf-8").split("---\n")[1])
        assert (card["license"], card["base_model"], card["mlzoo"]["name"]) == ("mit", "mace-xtb-organic", "my-weight")
        text = (converted / "LICENSE").read_text(encoding="utf-8")
        assert text.startswith("MIT License")
        assert card["mlzoo"]["copyright"] in text
        assert card["mlzoo"]["copyright"] in (EMBEDDED / "LICENSE").read_text(encoding="utf-8")

    def test_it_carries_the_reference_values_of_the_original(self, mlzoo, converted):
        assert json.loads((converted / "checks.json").read_text()) == json.loads((EMBEDDED / "checks.json").read_text())
        asked = mlzoo("verify", converted, "--device", "cpu", "--dtype", "float64")
        assert asked.exit_code == 0
        assert asked.stdout.count(" holds") == 5

    def test_it_knows_where_it_came_from(self, converted):
        provenance = package.load(converted, device="cpu").provenance
        assert provenance["made_from"]["source"] == SOURCE
        assert provenance["license"] == "MIT License"

    def test_a_name_of_its_own(self, mlzoo):
        assert mlzoo("convert", "mace-xtb-organic", "-o", "folder", "--name", "organic-of-ours").exit_code == 0
        assert "  name: organic-of-ours\n" in Path("folder/README.md").read_text(encoding="utf-8")

    def test_an_empty_folder_is_filled(self, mlzoo):
        Path("empty").mkdir()
        assert mlzoo("convert", "mace-xtb-organic", "-o", "empty").exit_code == 0

    @pytest.mark.parametrize("there", ["full", "full/notes.txt"])
    def test_what_is_there_is_never_overwritten(self, mlzoo, there):
        Path("full").mkdir()
        Path("full/notes.txt").write_text("mine")
        refused = mlzoo("convert", "mace-xtb-organic", "-o", there)
        assert refused.exit_code == 2
        assert f"error: {there} is there already: give the name of a new folder" in refused.stderr
        assert [path.name for path in Path("full").iterdir()] == ["notes.txt"]
        assert Path("full/notes.txt").read_text() == "mine"


def models(lock: str) -> dict:
    said = json.loads(Path(lock).read_text())
    assert said["mlzoo_lock"] == 1
    return said["models"]


class TestLock:
    def test_it_holds_source_bytes_and_plugin(self, mlzoo):
        asked = mlzoo("lock", "mace-xtb-organic")
        digest = hashlib.sha256((EMBEDDED / "model.safetensors").read_bytes()).hexdigest()
        held = models("mlzoo.lock")["mace-xtb-organic"]
        assert held["source"] == SOURCE
        assert held["sha256"]["model.safetensors"] == digest
        assert (held["architecture"], held["package"], held["version"]) == ("mace", "mlzoo", version("mlzoo"))
        assert asked.stdout.startswith(f"mace-xtb-organic: {SOURCE} at ")
        assert asked.stdout.endswith(f", mlzoo {version('mlzoo')}\n")
        assert asked.stderr == ""

    def test_it_adds_to_what_is_there(self, mlzoo, copied):
        mlzoo("lock", "mace-xtb-organic", "-o", "zoo.lock")
        before = models("zoo.lock")
        asked = mlzoo("lock", "./mine", "-o", "zoo.lock")
        assert asked.stderr == ""
        assert models("zoo.lock").keys() == {"mace-xtb-organic", "mine"}
        assert models("zoo.lock")["mace-xtb-organic"] == before["mace-xtb-organic"]

    def test_the_same_weight_again_changes_nothing(self, mlzoo):
        mlzoo("lock", "mace-xtb-organic")
        before = Path("mlzoo.lock").read_bytes()
        assert mlzoo("lock", "mace-xtb-organic").stderr == ""
        assert Path("mlzoo.lock").read_bytes() == before

    def test_it_names_what_changes(self, mlzoo, copied):
        mlzoo("lock", "mace-xtb-organic", "./mine")
        content = (copied / "config.json").read_text()
        (copied / "config.json").write_text(content + "\n")  # other bytes, the same weight
        asked = mlzoo("lock", "mace-xtb-organic", "./mine")
        assert asked.exit_code == 0
        assert asked.stderr == "mine: another weight than mlzoo.lock held until now takes its place.\n"

    def test_loading_is_held_to_it(self, mlzoo, copied, monkeypatch):
        mlzoo("lock", "./mine")
        monkeypatch.setenv("MLZOO_LOCK", "mlzoo.lock")
        assert mlzoo("verify", "./mine").exit_code == 0
        refused = mlzoo("verify", "mace-xtb-organic")
        assert refused.exit_code == 2
        assert "error: mace-xtb-organic is not in the lock mlzoo.lock (mine)." in refused.stderr
        assert "`mlzoo lock mace-xtb-organic -o mlzoo.lock` adds it" in refused.stderr
        (copied / "config.json").write_text((copied / "config.json").read_text() + "\n")
        refused = mlzoo("verify", "./mine")
        assert refused.exit_code == 2
        assert "error: mine: the lock mlzoo.lock holds sha256 of config.json at " in refused.stderr
        assert "or write it anew with `mlzoo lock`" in refused.stderr

    def test_a_file_that_is_no_lock_is_left_alone(self, mlzoo):
        Path("mlzoo.lock").write_text('{"models": {}}\n')
        refused = mlzoo("lock", "mace-xtb-organic")
        assert refused.exit_code == 2
        assert "error: mlzoo.lock is no lock of version 1." in refused.stderr
        assert Path("mlzoo.lock").read_text() == '{"models": {}}\n'


def test_a_lock_can_be_written_under_a_lock(mlzoo, monkeypatch):
    mlzoo("lock", "mace-xtb-organic", "-o", "first.lock")
    monkeypatch.setenv("MLZOO_LOCK", "first.lock")
    mlzoo("convert", "mace-xtb-organic", "-o", "weight")
    refused = mlzoo("verify", "./weight")
    assert "weight is not in the lock first.lock (mace-xtb-organic)" in refused.stderr
    assert mlzoo("lock", "./weight", "-o", "second.lock").exit_code == 0
    monkeypatch.setenv("MLZOO_LOCK", "second.lock")
    assert mlzoo("verify", "./weight").exit_code == 0
    assert "mace-xtb-organic is not in the lock second.lock" in mlzoo("fetch", "mace-xtb-organic").stderr
