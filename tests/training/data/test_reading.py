"""From files to labelled structures; what is wrong is said with file, frame and value."""

import gzip

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.stress import voigt_6_to_full_3x3_stress

from mlzoo.errors import UnreadableFile
from mlzoo.training.data import Keys, read, read_dataset, read_references

STRESS = np.array([1.0, 2.0, 3.0, 0.4, 0.5, 0.6])  # eV/Å³, xx yy zz yz xz xy
FULL = voigt_6_to_full_3x3_stress(STRESS)


def dimer(**info):
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], cell=[10, 10, 10], pbc=True)
    atoms.info.update(info)
    return atoms


def labelled(**results):
    atoms = dimer()
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture
def written(tmp_path):
    def write_frames(*frames, name="data.xyz"):
        write(tmp_path / name, list(frames))
        return tmp_path / name

    return write_frames


def only(path, keys=None):
    (example,) = read(path, keys)
    return example


@pytest.mark.parametrize("name", ["data.xyz", "data.extxyz", "data.xyz.gz", "data.traj", "data.db", "data.json"])
def test_every_format_gives_the_same_labels(written, name):
    forces = np.arange(6.0).reshape(2, 3)
    path = written(labelled(energy=-3.5, forces=forces, stress=STRESS), name=name)
    example = only(path)
    assert example.labels["energy"] == -3.5
    np.testing.assert_allclose(example.labels["forces"], forces)
    np.testing.assert_allclose(example.labels["stress"], STRESS)
    assert example.structure.atomic_numbers.tolist() == [29, 29]
    assert example.source == f"{path}:0"


def test_reference_labels_stand_before_those_of_a_calculator(written):
    atoms = labelled(energy=-1.0, forces=np.ones((2, 3)))
    atoms.info["REF_energy"] = -2.0
    assert dict(only(written(atoms)).labels) == {"energy": -2.0}


@pytest.mark.parametrize("stress", [STRESS, FULL, FULL.ravel()])
def test_stress_is_six_components_or_nine(written, stress):
    np.testing.assert_allclose(only(written(dimer(REF_stress=stress))).labels["stress"], STRESS)


def test_noise_of_a_vanishing_stress_is_no_asymmetry(written):
    np.testing.assert_allclose(only(written(dimer(REF_stress=1e-9 * np.arange(9)))).labels["stress"][3], 6e-9)


def test_one_atom_has_one_row_of_forces(written):
    copper = bulk("Cu")
    copper.calc = SinglePointCalculator(copper, forces=np.zeros((1, 3)))
    assert only(written(copper)).labels["forces"].shape == (1, 3)


def test_virials_are_minus_stress_times_volume(written):
    example = only(written(dimer(REF_virials=-FULL * 1000)))  # 10 × 10 × 10 Å³
    assert set(example.labels) == {"stress"}
    np.testing.assert_allclose(example.labels["stress"], STRESS)


def test_a_factor_takes_the_unit_of_the_file_into_ours(written):
    keys = Keys(factors={"energy": 0.5, "virials": 2.0})
    example = only(written(dimer(energy=-3.0, virials=-FULL * 500)), keys)
    assert example.labels["energy"] == -1.5
    np.testing.assert_allclose(example.labels["stress"], STRESS)


def test_other_labels_are_read_by_name(written):
    atoms = dimer(gap=1.5, is_metal=True, mu=np.array([0.0, 1.0, 2.0]))
    atoms.set_array("q", np.array([0.5, -0.5]))
    labels = only(
        written(atoms), Keys(labels={"band_gap": "gap", "metal": "is_metal", "mu": "mu", "charges": "q"})
    ).labels
    assert (labels["band_gap"], labels["metal"]) == (1.5, 1.0)
    np.testing.assert_allclose(labels["mu"], [0, 1, 2])
    np.testing.assert_allclose(labels["charges"], [0.5, -0.5])


def test_labels_are_no_conditions(written):
    carried = only(
        written(dimer(REF_energy=1.0, gap=2.0, charge=1)), Keys(labels={"band_gap": "gap"})
    ).structure.conditions
    assert dict(carried) == {"charge": 1}


def test_missing_labels_are_no_error(written):
    first, second = read(written(dimer(energy=1.0), dimer()))
    assert (dict(first.labels), dict(second.labels)) == ({"energy": 1.0}, {})


def test_group_and_weight(written):
    path = written(dimer(config_type="bulk", config_weight=3.0), dimer(config_type="slab"), dimer())
    examples = list(read(path, Keys(group_weights={"bulk": 0.5})))
    assert [(example.group, example.weight) for example in examples] == [("bulk", 1.5), ("slab", 1.0), ("all", 1.0)]


@pytest.mark.parametrize("said", ["IsolatedAtom", "isolated_atom", "ISOLATEDATOM", "isolated atoms"])
def test_free_atoms_are_references_and_no_examples(written, said):
    atom = Atoms("Cu", info={"config_type": said, "energy": -0.5})
    dataset = read_dataset(written(dimer(energy=-3.0), atom))
    assert dataset.references == {"default": {29: -0.5}}
    assert len(dataset.examples) == 1


def test_an_isolated_atom_without_energy_and_a_crystal_of_one_atom_are_examples(written):
    copper = bulk("Cu")
    copper.info["energy"] = -3.7
    dataset = read_dataset(written(Atoms("Cu", info={"config_type": "IsolatedAtom"}), copper))
    assert len(dataset.examples) == 2
    assert dataset.references == {}


def test_a_free_atom_has_one_energy(written):
    atoms = [Atoms("H", info={"config_type": "IsolatedAtom", "energy": energy}) for energy in (-13.6, -13.5)]
    with pytest.raises(
        UnreadableFile, match=r"data.xyz:1 gives the free atom of .* 1 an energy of -13.5 eV, and .*:0 one"
    ):
        read_dataset(written(*atoms))


def test_a_file_of_free_atoms_need_not_call_them_so(written):
    path = written(Atoms("H", info={"energy": -13.6}), Atoms("O", info={"energy": -432.0}), name="atoms.xyz")
    assert read_references(path) == {1: -13.6, 8: -432.0}
    with pytest.raises(UnreadableFile, match="it has 2 atoms, and the energy of a free atom"):
        read_references(written(dimer(energy=1.0)))
    with pytest.raises(UnreadableFile, match="it has no energy"):
        read_references(written(Atoms("H")))


def test_patterns_and_lists_read_each_file_once(written, tmp_path):
    written(dimer(energy=2.0), name="b.xyz")
    written(dimer(energy=1.0), name="a.xyz")
    assert [example.labels["energy"] for example in read(tmp_path / "*.xyz")] == [1.0, 2.0]
    assert [example.labels["energy"] for example in read([tmp_path / "b.xyz", str(tmp_path / "*.xyz")])] == [2.0, 1.0]


def test_where_labels_stood_is_counted(written):
    path = written(dimer(REF_energy=1.0), dimer(REF_energy=1.0), dimer(energy=1.0))
    assert read_dataset(path).found == {"energy": {"REF_energy": 2, "energy": 1}}


WRONG = [
    (dimer(REF_energy=np.nan), r"data.xyz:1: REF_energy is nan, and nothing can be learned from that"),
    (dimer(REF_energy="none"), r"REF_energy is 'none', and energy is made of numbers"),
    (dimer(REF_energy=True), r"REF_energy is True"),
    (dimer(REF_energy=np.array([1.0, 2.0])), r"REF_energy has shape \(2,\), but a total energy is one number"),
    (dimer(REF_forces=np.ones(3)), r"REF_forces has shape \(3,\), but the forces on 2 atoms have shape \(2, 3\)"),
    (dimer(REF_stress=np.ones(5)), r"REF_stress has shape \(5,\), but stress has six components"),
    (dimer(REF_stress=np.arange(9.0)), r"REF_stress is \[\[0.0, 1.0, .*, which is not symmetric"),
    (Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], info={"REF_virials": FULL}), r"REF_virials cannot become a stress"),
    (dimer(config_weight=-1.0), r"config_weight is .*-1.0.*, and a weight is a number that is not negative"),
    (Atoms("X", info={"REF_energy": 1.0}), r"data.xyz:1 cannot be read: atom 0 has atomic number 0"),
]


@pytest.mark.parametrize(("atoms", "sentence"), WRONG, ids=[sentence[:30] for _, sentence in WRONG])
def test_wrong_labels_are_named_with_file_frame_and_value(written, atoms, sentence):
    path = written(dimer(REF_energy=1.0), atoms, dimer(REF_energy=3.0))
    with pytest.raises(UnreadableFile, match=sentence):
        list(read(path))
    skipped = []
    examples = list(read(path, on_error="skip", on_skip=skipped.append))
    assert [example.labels["energy"] for example in examples] == [1.0, 3.0]
    assert len(skipped) == 1
    assert read_dataset(path, on_error="skip").skipped == skipped


def test_a_component_that_is_not_finite_is_named(written):
    atoms = dimer()
    atoms.set_array("REF_forces", np.array([[0, 0, 0], [0, np.inf, 0]]))
    with pytest.raises(UnreadableFile, match=r"REF_forces\[1, 1\] is inf"):
        list(read(written(atoms)))


WHOLE = "1\nProperties=species:S:1:pos:R:3 energy=1.0\nH 0 0 0\n"


@pytest.mark.parametrize(
    ("text", "left", "sentence"),
    [
        ("3\n\nH 0 0 0\n" + WHOLE, 1, "data.xyz:0 cannot be read: it announces 3 atoms and has 1"),
        ("nonsense\nmore of it\n" + WHOLE, 1, "it begins with 'nonsense' instead of the number of atoms"),
        (WHOLE + "1\n\nH 0 zero 0\n" + WHOLE, 2, "data.xyz:1 cannot be read: .*Correct the frame"),
        (WHOLE + "2\n\nH 0 0 0\n", 1, "data.xyz:1 cannot be read: it announces 2 atoms"),
    ],
)
def test_frames_behind_a_broken_one_are_read(tmp_path, text, left, sentence):
    path = tmp_path / "data.xyz"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=sentence):
        list(read(path))
    dataset = read_dataset(path, on_error="skip")
    assert len(dataset.examples) == left
    assert len(dataset.skipped) == 1


def test_a_compressed_file_that_was_cut_short_gives_what_it_has(tmp_path):
    path = tmp_path / "data.xyz.gz"
    random = np.random.default_rng(0)
    frames = "".join(f"1\nenergy={random.random()}\nH 0 0 {random.random()}\n" for _ in range(1000))
    path.write_bytes(gzip.compress(frames.encode())[:-1000])
    with pytest.raises(UnreadableFile, match="Nothing behind it is read; copy or download the file again"):
        list(read(path))
    dataset = read_dataset(path, on_error="skip")
    assert 0 < len(dataset.examples) < 1000
    assert len(dataset.skipped) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent.xyz", "absent.xyz is no file. Check the path"),
        ("absent*.xyz", "no file matches .*absent"),
        ("", "is a folder"),
        ("words.txt", "in no format that ASE recognises"),
    ],
)
def test_a_file_that_is_not_there(tmp_path, name, sentence):
    (tmp_path / "words.txt").write_text("to whom it may concern\n")
    with pytest.raises(UnreadableFile, match=sentence):
        list(read(tmp_path / name, on_error="skip"))


def test_keys_and_groups_that_no_frame_has_are_refused(written):
    path = written(dimer(energy=1.0, config_type="bulk"))
    with pytest.raises(
        UnreadableFile, match=r"no frame of .* has 'E', which keys.energy names. Keys .*config_type, energy"
    ):
        read_dataset(path, Keys(energy="E"))
    with pytest.raises(UnreadableFile, match=r"has 'gap', which keys.labels.band_gap names"):
        read_dataset(path, Keys(labels={"band_gap": "gap"}))
    with pytest.raises(
        UnreadableFile, match=r"of group 'slab', which keys.group_weights names. Groups by 'config_type' are b"
    ):
        read_dataset(path, Keys(group_weights={"slab": 2.0}))


def test_nothing_to_learn_from(written, tmp_path):
    with pytest.raises(UnreadableFile, match="nothing to learn from but free atoms"):
        read_dataset(written(Atoms("H", info={"energy": 1.0, "config_type": "IsolatedAtom"})))
    with pytest.raises(UnreadableFile, match=r"The first frame that was left out: frame .* REF_energy is nan"):
        read_dataset(written(dimer(REF_energy=np.nan)), on_error="skip")
