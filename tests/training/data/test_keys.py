"""Which key holds which label."""

import pytest
from pydantic import ValidationError

from mlzoo.training.data import Keys


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        ({"energy", "forces", "stress"}, {"energy": "energy", "forces": "forces", "stress": "stress"}),
        ({"REF_energy", "REF_forces", "energy", "forces"}, {"energy": "REF_energy", "forces": "REF_forces"}),
        ({"dft_energy", "dft_force", "energy"}, {"energy": "dft_energy", "forces": "dft_force"}),
        ({"REF_energy", "dft_energy", "dft_forces"}, {"energy": "REF_energy"}),
        ({"energy", "virial"}, {"energy": "energy"}),  # of either sign: only when it is named
        ({"REF_stress", "REF_virials"}, {"stress": "REF_stress"}),
        ({"band_gap"}, {}),
        (set(), {}),
    ],
)
def test_labels_that_nobody_names_come_from_one_family(present, chosen):
    assert Keys().of(present) == chosen


def test_a_named_key_is_read_whatever_else_is_there():
    keys = Keys(energy="my_energy", labels={"band_gap": "gap"})
    assert keys.of({"my_energy", "energy", "forces", "gap"}) == {
        "energy": "my_energy",
        "forces": "forces",
        "band_gap": "gap",
    }
    assert keys.of({"energy"}) == {}


def test_what_is_left_out_is_not_read():
    assert Keys(leave_out=("stress",)).of({"energy", "stress"}) == {"energy": "energy"}


def test_names_alone_are_short_for_the_same_key():
    assert Keys(labels=("band_gap", "mu")).labels == {"band_gap": "band_gap", "mu": "mu"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"labels": {"energy": "E"}}, "which has a key of its own: write energy: 'E'"),
        ({"leave_out": ("charges",)}, "leave_out has 'charges', but only energy, forces, stress, virials"),
        ({"energy": "E", "leave_out": ("energy",)}, "to be read from 'E' and to be left out"),
        ({"factors": {"gap": 2.0}}, "factors has 'gap', which is no label"),
        ({"group_weights": {"bulk": -1.0}}, "greater than or equal to 0"),
        ({"enrgy": "E"}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(said, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Keys(**said)
