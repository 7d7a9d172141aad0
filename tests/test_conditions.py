"""Charge, spin, head, ...: one value a structure, checked against what the model knows."""

import warnings

import numpy as np
import pytest
import torch

from mlzoo.conditions import Condition, encode_conditions
from mlzoo.errors import InvalidCondition

CHARGE = Condition("charge", default=0.0)
STATE = Condition("state", labels=("pbe", "hse"))


@pytest.mark.parametrize(("given", "expected"), [({}, 0.0), ({"charge": -1}, -1.0), ({"charge": np.float32(2)}, 2.0)])
def test_a_number_is_one_float64(given, expected):
    encoded = encode_conditions([CHARGE], given)["charge"]
    assert (encoded.tolist(), encoded.dtype) == ([expected], torch.float64)


@pytest.mark.parametrize("value", ["hse", 1, np.int64(1)])
def test_a_label_may_be_given_by_name_or_number(value):
    encoded = encode_conditions([STATE], {"state": value})["state"]
    assert (encoded.tolist(), encoded.dtype) == ([1], torch.int64)


@pytest.mark.parametrize("value", ["scan", 2, -1, 0.5, None])
def test_an_unknown_label_is_refused_with_those_known(value):
    with pytest.raises(InvalidCondition, match=r"'pbe' \(0\), 'hse' \(1\)|this model needs state"):
        encode_conditions([STATE], {"state": value})


@pytest.mark.parametrize("value", ["positive", [1, 2], float("nan"), float("inf")])
def test_what_is_not_a_finite_number_is_refused(value):
    with pytest.raises(InvalidCondition, match=r"charge=.* is not a number"):
        encode_conditions([CHARGE], {"charge": value})


def test_a_condition_without_default_must_be_given():
    with pytest.raises(InvalidCondition, match=r"this model needs state. Set atoms.info\['state'\] or pass state="):
        encode_conditions([STATE], {})


def test_a_charge_given_to_a_blind_model_warns():
    with pytest.warns(
        UserWarning, match=r"does not know charge, so charge=1 changes nothing \(it knows no conditions\)"
    ):
        encode_conditions([], {"charge": 1})


@pytest.mark.parametrize("given", [{"charge": 0}, {"spin": 1}, {"spin": 2}])
def test_what_a_blind_model_assumes_anyway_passes_in_silence(given):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode_conditions([], given) == {}
