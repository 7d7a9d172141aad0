"""What stands in the output folder at the end: a weight with its errors on the card, a page, curves; and what may be pushed."""

import re
from pathlib import Path

import pytest
import yaml
from training.runs import labelled, rows, settings, trained

import mlzoo
from mlzoo.training.report.words import number


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    card = {"theory": "effective medium theory", "citation": "@misc{emt}"}
    said = settings(labelled(folder / "metals.xyz"), folder / "run", license="mit", name="metals", card=card)
    trained(said | {"tensorboard": True, "num_epochs": 2})
    trained(said | {"tensorboard": True, "num_epochs": 4, "log_interval": 1})
    return folder / "run"


def test_the_card_and_the_page_say_the_errors_of_the_best_epoch(folder):
    best = min(rows(folder), key=lambda row: row["loss"])
    card, page = mlzoo.load(folder / "model").card, (folder / "report.html").read_text()
    assert f"| forces | {number(best['mae_forces'])} | {number(best['rmse_forces'])} | eV/Å |" in card.text
    energy = (number(1000 * best[f"{kind}_energy"]) for kind in ("mae", "rmse"))
    assert f"| energy per atom | {' | '.join(energy)} | meV/atom |" in card.text
    assert (card.name, card.license, card.theory, card.citation) == (
        "metals",
        "mit",
        "effective medium theory",
        "@misc{emt}",
    )
    for said in (number(best["mae_forces"]), "Learning curves", "Largest errors", "effective medium theory"):
        assert said in page
    assert len(re.findall(r"<img", page)) == 7  # parity and curves of energy, forces and stress; the loss


def test_tensorboard_shows_each_epoch_once(folder):
    """The run was stopped after two epochs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload().Scalars("mae_forces")
    assert [each.step for each in events] == [0, 1, 2, 3]
    assert [each.value for each in events] == pytest.approx([row["mae_forces"] for row in rows(folder)])


def test_what_was_trained_can_be_pushed(folder, hub, machine):
    hub.tokens["hf_alice"] = "alice"
    said = machine.run("push", folder / "model", "alice/metals", HF_TOKEN="hf_alice")
    repository = hub.repositories["alice/metals"]
    assert f'published: mlzoo.load("hf:alice/metals@{repository.resolve("main")}")' in said


def test_the_recipe_of_spice2_flips_its_weights(tmp_path):
    """The file as it is, but for the data, the width, and the epochs: 4 for 220, the flip at 2 for 115."""
    recipe = Path(__file__).parents[2] / "reproductions" / "spice2-recipe" / "config.yaml"
    said = yaml.safe_load(recipe.read_text())
    for target in said["targets"].values():
        assert [step.pop("epoch") for step in target["schedule"]] == [115]
        target["schedule"][0]["epoch"] = 2
    assert said["num_epochs"] == 220
    del said["data"]["validation_files"]
    said["data"]["train"] = [str(labelled(tmp_path / "metals.xyz", 6))]
    said["model"]["config"] |= {"channels": 2, "cutoff": 3.5}
    trained(said | {"num_epochs": 4, "output": str(tmp_path / "run"), "device": "cpu"})
    told = rows(tmp_path / "run")
    assert [(row["weight_energy"], row["weight_forces"]) for row in told] == [(40, 1000)] * 2 + [(1000, 40)] * 2
