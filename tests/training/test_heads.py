"""Several levels of theory: each has its structures and its energies of the elements, and all share the network."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from training.runs import labelled, settings

import mlzoo
from mlzoo.errors import InvalidCondition, InvalidTraining
from mlzoo.training.gathering import gather
from mlzoo.training.run import run
from mlzoo.training.settings import checked

MACE = {"cutoff": 4.0, "channels": 8, "max_l": 1, "hidden_degree": 0, "correlation": 2, "layers": 1, "num_bessel": 4}
SCALE, CONSTANT = 1.3, {13: -50.0, 29: -200.0}
FREE = {13: -1.5, 29: -3.25}


def relabelled(atoms, energy, forces, **info):
    copied = Atoms(atoms)
    copied.calc, copied.info = SinglePointCalculator(copied, energy=energy, forces=forces), info
    return copied


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same metals twice: as they are, with free atoms, and in units of another size with another zero."""
    folder = tmp_path_factory.mktemp("levels")
    frames = read(labelled(folder / "metals.xyz", 24), ":")
    free = [Atoms([z], info={"config_type": "IsolatedAtom", "energy": energy}) for z, energy in FREE.items()]
    own = [relabelled(each, each.get_potential_energy(), each.get_forces()) for each in frames]
    other = [
        relabelled(
            each,
            SCALE * each.get_potential_energy() + sum(CONSTANT[z] for z in each.numbers),
            SCALE * each.get_forces(),
        )
        for each in frames
    ]
    write(folder / "own.xyz", [*own, *free])
    write(folder / "other.xyz", other)
    for name, some in (("own", [*own, *free]), ("other", other)):
        for each in some:
            each.info["head"] = name
    write(folder / "both.xyz", [*own, *free, *other])
    return folder


def counts_of(species):
    return np.array([[np.count_nonzero(numbers == z) for z in (13, 29)] for numbers in species])


def of_files(folder: Path) -> dict:
    return {
        "heads": {
            "own": {"train": [str(folder / "own.xyz")], "references": "isolated"},
            "other": {"train": [str(folder / "other.xyz")]},
        },
        "validation": {"fraction": 0.25},
        "batch_size": 8,
    }


def test_each_head_learns_its_own_level_of_theory(folder, tmp_path):
    said = settings(folder, tmp_path / "run", num_epochs=12, targets={"energy": {}, "forces": {"weight": 5.0}})
    said = checked(said | {"model": {"architecture": "mace", "config": MACE}, "data": of_files(folder)}, "test")
    model = mlzoo.load(run(said).folder)
    own, other = ({z: energies[head] for z, energies in model.model.reference_energies.items()} for head in (0, 1))
    assert own == FREE
    learned = [each for each in gather(said.data, ["energy"]).train if each.head == "own"]
    fitted, *_ = np.linalg.lstsq(
        counts_of([each.structure.atomic_numbers for each in learned]),
        [each.labels["energy"] for each in learned],
        rcond=None,
    )
    assert [other[13], other[29]] == pytest.approx(SCALE * fitted + [-50.0, -200.0], abs=1e-6)
    frames = read(folder / "metals.xyz", ":")
    energies = np.array([each.get_potential_energy() for each in frames])
    counts = counts_of([each.numbers for each in frames])
    for head, scale, zero in (("own", 1.0, 0.0), ("other", SCALE, counts @ [-50.0, -200.0])):
        answers = model.predict(frames, head=head)
        expected = np.concatenate([scale * each.get_forces() for each in frames])
        found = np.concatenate([each["forces"] for each in answers])
        assert np.sqrt(np.mean((found - expected) ** 2)) < 0.2 * expected.std()
        assert np.abs([each["energy"] for each in answers] - (scale * energies + zero)).max() < 0.8
    with pytest.raises(InvalidCondition, match=r"needs head.*own, other"):
        model.predict(frames[0])


def test_heads_by_files_and_heads_that_frames_carry_are_the_same(folder):
    said = checked(settings(folder, folder / "run") | {"data": of_files(folder)}, "test")
    data = {**of_files(folder), "train": [str(folder / "both.xyz")]}
    data["heads"] = {"own": {"references": "isolated"}, "other": {}}
    carried = checked(settings(folder, folder / "run") | {"data": data}, "test")
    one, two = (gather(each.data, ["energy"]) for each in (said, carried))
    assert one.references == two.references == {"own": FREE}
    for ours, theirs in ((one.train, two.train), (one.validation, two.validation)):
        assert [each.head for each in ours] == [each.head for each in theirs]
        assert [each.labels["energy"] for each in ours] == [each.labels["energy"] for each in theirs]


def test_copies_in_two_heads_fall_to_one_side_and_are_no_contradiction(folder, caplog):
    with caplog.at_level("WARNING", "mlzoo"):
        data = gather(checked(settings(folder, folder) | {"data": of_files(folder)}, "test").data, ["energy"])
    assert not [record for record in caplog.records if "Copies" in record.message or "different" in record.message]
    held = [each.structure.positions.tobytes() for each in data.validation]
    assert sorted(held[: len(held) // 2]) == sorted(held[len(held) // 2 :])
    assert not {each.structure.positions.tobytes() for each in data.train} & set(held)


@pytest.mark.parametrize(
    ("change", "architecture", "said"),
    [
        ({}, "m3gnet", "data.heads names own, other, and m3gnet has no heads"),
        ({"heads": {"own": {"references": "isolated"}, "third": {}}}, "mace", "is of head 'other', which is none of"),
        ({"heads": {"own": {}}}, "mace", "heads has one name"),
        ({"references": "isolated"}, "mace", "of head other .*IsolatedAtom.* has no reference energy of Al, Cu"),
        ({"heads": {"own": {"references": "given"}, "other": {}}}, "mace", "of head own is 'given'"),
    ],
)
def test_what_does_not_fit_is_told(folder, tmp_path, change, architecture, said):
    data = {**of_files(folder), "train": [str(folder / "both.xyz")], "heads": {"own": {}, "other": {}}} | change
    model = {"architecture": architecture, "config": MACE if architecture == "mace" else {}}
    with pytest.raises(InvalidTraining, match=said):
        run(checked(settings(folder, tmp_path / "run") | {"data": data, "model": model}, json.dumps(change)))
