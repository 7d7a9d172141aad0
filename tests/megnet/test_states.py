"""The band gap by functional: a state by label or by number, from the structure or by keyword."""

import pytest
from ase.build import bulk

import mlzoo
from mlzoo.errors import InvalidCondition

LABELS = ["pbe", "gllb-sc", "hse", "scan"]


@pytest.fixture(scope="module")
def model(shared):
    return mlzoo.load(shared / "weights/matgl/MEGNet-MP-2019.4.1-BandGap-mfi", device="cpu")


@pytest.fixture
def salt():
    return bulk("NaCl", "rocksalt", a=5.69)


def test_by_label_in_any_case_and_by_number(model, salt):
    by_number = [model.predict(salt, state=number)["band_gap"] for number in range(4)]
    assert len(set(by_number)) == 4
    assert [model.predict(salt, state=label)["band_gap"] for label in LABELS] == by_number
    assert [model.predict(salt, state=label.upper())["band_gap"] for label in LABELS] == by_number


def test_from_the_structure_and_overridden(model, salt):
    salt.info["state"] = "scan"
    assert model.predict(salt) == model.predict(salt, state="scan") != model.predict(salt, state="pbe")


def test_a_batch_may_mix_states(model, salt):
    structures = [salt.copy() for _ in LABELS]
    for structure, label in zip(structures, LABELS, strict=True):
        structure.info["state"] = label
    found = [answer["band_gap"] for answer in model.predict(structures)]
    assert found == pytest.approx([model.predict(salt, state=label)["band_gap"] for label in LABELS], rel=1e-5)


def test_no_state_is_an_error_that_names_them(model, salt):
    with pytest.raises(InvalidCondition, match=r"needs state.* It knows pbe, gllb-sc, hse, scan"):
        model.predict(salt)


@pytest.mark.parametrize("state", ["lda", 4, -1, 1.5, None, True])
def test_an_unknown_state_is_an_error_that_names_them(model, salt, state):
    with pytest.raises(InvalidCondition, match="pbe"):
        model.predict(salt, state=state)


def test_a_model_of_one_state_does_not_take_another(shared, salt):
    model = mlzoo.load(shared / "weights/matgl/MEGNet-MP-2018.6.1-Eform", device="cpu")
    with pytest.raises(InvalidCondition, match=r"does not know state='hse'"):
        model.predict(salt, state="hse")
