"""A run learns, keeps its best, goes on where it was stopped bit for bit, and says what is wrong."""

import resource

import numpy as np
import pytest
import torch
from ase.io import read, write
from training.runs import labelled, rows, settings, tensors, trained

import mlzoo
from mlzoo.errors import InvalidTraining


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("data") / "metals.xyz")


def test_it_learns_and_what_it_learned_is_a_model_like_any_other(file, tmp_path):
    said = settings(file, tmp_path / "run", num_epochs=80, optimizer={"learning_rate": 0.02, "ema": 0.9})
    outcome = trained(said)
    told = rows(tmp_path / "run")
    assert [row["epoch"] for row in told] == list(range(80))
    assert told[-1]["loss"] < 0.2 * told[0]["loss"]
    model = mlzoo.load(outcome.folder)
    frames = read(file, ":")
    expected = np.array([atoms.get_forces() for atoms in frames])
    found = np.array([answer["forces"] for answer in model.predict(frames)])
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.3 * expected.std()
    assert model.provenance["trained"]["structures"] == 9
    assert model.card.training_data == "9 structures of metals.xyz"
    assert [each for each in model.verify() if not each.holds] == []


OPTIMIZERS = {
    "plateau": {
        "optimizer": {"learning_rate": 0.3, "ema": 0.5},
        "schedule": {"lr_scheduler": "plateau", "patience": 0, "warmup": 1},
    },
    "steps": {"schedule": {"lr_scheduler": "constant", "steps": [{"epoch": 3, "factor": 0.1}]}},
    "soap": {"optimizer": {"optimizer": "soap", "beta": [0.95, 0.99]}, "schedule": {"patience": 0}},
    "schedulefree": {"optimizer": {"optimizer": "schedulefree", "learning_rate": 0.01}, "schedule": {"warmup": 1}},
}


@pytest.mark.parametrize("said", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_run_that_goes_on_ends_like_one_that_was_never_stopped(file, tmp_path, said):
    trained(settings(file, tmp_path / "whole", num_epochs=6, **said))
    for epochs in (1, 3, 6):
        trained(settings(file, tmp_path / "parts", num_epochs=epochs, **said))
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert tensors(tmp_path / "parts") == tensors(tmp_path / "whole")
    if "steps" in said["schedule"] or "patience" in said["schedule"]:
        assert len({row["learning_rate"] for row in rows(tmp_path / "whole")}) > 1


def test_states_to_go_on_from_are_kept_at_intervals_and_at_the_end(file, tmp_path):
    """Three epochs of four are learned again; the rows of the log are not there twice."""
    said = settings(file, tmp_path / "run", checkpoint_interval=3, log_interval=2)

    def last():
        return torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=False)["epoch"]

    trained(said | {"num_epochs": 4})
    assert last() == 3
    trained(said | {"num_epochs": 8})
    assert last() == 7
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [0, 2, 4, 6]


def test_a_run_that_stopped_early_stays_so_unless_it_may_wait_for_longer(file, tmp_path):
    said = settings(file, tmp_path / "run", num_epochs=30, early_stop=2)
    said |= {"optimizer": {"learning_rate": 0.5, "ema": None}, "schedule": {"lr_scheduler": "constant"}}
    epochs = trained(said).epochs
    assert 3 <= epochs < 30
    assert trained(said).epochs == epochs
    assert trained(said | {"early_stop": 4}).epochs >= epochs + 2


def test_a_full_disk_is_told_and_the_last_checkpoint_stands(file, tmp_path):
    trained(settings(file, tmp_path / "whole", num_epochs=4))
    trained(settings(file, tmp_path / "run", num_epochs=2))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    before, limits = last.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (20_000, limits[1])
    )  # bytes of a file: the log fits, a checkpoint does not
    try:
        with pytest.raises(
            InvalidTraining, match=r"cannot be written to: .* Make room and give the same command again"
        ):
            trained(settings(file, tmp_path / "run", num_epochs=4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert last.read_bytes() == before
    assert sorted(each.name for each in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]
    trained(settings(file, tmp_path / "run", num_epochs=4))
    assert tensors(tmp_path / "run") == tensors(tmp_path / "whole")


def test_a_card_may_be_written_after_the_training(file, tmp_path):
    trained(settings(file, tmp_path / "run", num_epochs=1))
    before = tensors(tmp_path / "run")
    trained(settings(file, tmp_path / "run", num_epochs=1, license="mit", card={"theory": "by hand"}))
    assert tensors(tmp_path / "run") == before
    page = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in page
    assert "theory: by hand" in page


def test_a_folder_of_another_run_is_left_alone(file, tmp_path):
    trained(settings(file, tmp_path / "run", num_epochs=1))
    with pytest.raises(InvalidTraining, match=r"holds a run with other settings \(seed\)"):
        trained(settings(file, tmp_path / "run", num_epochs=1, seed=1))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(InvalidTraining, match="holds no training run"):
        trained(settings(file, tmp_path / "other"))


def test_a_loss_that_is_not_a_number_names_the_structures(file, tmp_path):
    frames = read(file, ":")
    frames[3].calc.results["energy"] = 1e200
    write(tmp_path / "broken.xyz", frames)
    said = settings(tmp_path / "broken.xyz", tmp_path / "run")
    said["data"] |= {"references": "none", "validation": {"count": 1, "seed": 1}}
    with pytest.raises(InvalidTraining, match=r"the loss is (nan|inf) in epoch 0, in the batch of .*broken.xyz:"):
        trained(said)


def test_missing_labels_add_nothing(file, tmp_path):
    frames = read(file, ":")
    for atoms in frames[::2]:
        atoms.calc.results = {"energy": atoms.calc.results["energy"]}
    write(tmp_path / "some.xyz", frames)
    outcome = trained(settings(tmp_path / "some.xyz", tmp_path / "run"))
    assert np.isfinite(outcome.metric)


def test_molecules_have_no_stress_and_do_not_spoil_the_gradient(file, tmp_path):
    frames = read(file, ":")
    molecule = frames[0][:2]
    molecule.pbc, molecule.cell = False, None
    energy = frames[0].get_potential_energy()
    from ase.calculators.singlepoint import SinglePointCalculator

    molecule.calc = SinglePointCalculator(molecule, energy=energy / 2, forces=np.zeros((2, 3)))
    write(tmp_path / "mixed.xyz", [*frames, molecule])
    said = settings(tmp_path / "mixed.xyz", tmp_path / "run")
    said["data"]["validation"] = {"count": 2}
    model = mlzoo.load(trained(said).folder).model
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
