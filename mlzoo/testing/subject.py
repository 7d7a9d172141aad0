"""What all parts of the contract share: the model under test, and how two predictions are compared."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from pydantic import BaseModel

from mlzoo import registry
from mlzoo.model import EnergyModel, Model
from mlzoo.predictor import Predictor
from mlzoo.testing.structures import structures_for
from mlzoo.weights import Manifest


class Subject:
    """Name an ``architecture`` with its ``config``, or override the fixture ``model``; ``structures`` where need be."""

    architecture: ClassVar[str | None] = None  # the name under which its plugin is registered
    config: ClassVar[BaseModel | None] = None
    float32_tolerance: ClassVar[float] = 1e-4  # eV an atom, eV/Å, ..., or that fraction where the values are larger

    @pytest.fixture
    def model(self) -> Model:
        """The model, in any dtype; this one has random weights from a fixed seed."""
        assert self.architecture, "name the architecture and its config, or override the fixture `model`"
        torch.manual_seed(0)
        return registry.architecture(self.architecture).build(self.config)

    @pytest.fixture
    def structures(self, model: Model) -> dict[str, Atoms]:
        return structures_for(model)

    @pytest.fixture
    def predictor(self, model: Model) -> Predictor:
        """A float64 copy of the model, as `mlzoo.load` would give it."""
        return predictor_of(model, torch.float64, self.architecture, self.config)


def predictor_of(
    model: Model, dtype: torch.dtype, architecture: str | None = None, config: BaseModel | None = None
) -> Predictor:
    """A predictor of a copy of the model in ``dtype``."""
    name = architecture or type(model).__name__
    said = config.model_dump(mode="json") if config else {}
    manifest = Manifest(
        name, package="", version="", dtype=str(dtype).removeprefix("torch."), config=said, provenance={}
    )
    return Predictor(copy.deepcopy(model).to(dtype).eval(), manifest, name)


def energy_model(predictor: Predictor) -> EnergyModel:
    assert isinstance(predictor.model, EnergyModel), "the contract of a model without energies is PropertyContract"
    return predictor.model


def holds_where(declared: bool, otherwise: str) -> None:
    """Skip a part of the contract that the model does not claim."""
    if not declared:
        pytest.skip(f"not claimed: {otherwise}")


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any], what: str, tolerance: float = 1e-9) -> None:
    """Every value finite and within ``tolerance``, absolute below 1 and relative above."""
    assert found.keys() == expected.keys(), f"{what}: predicts {sorted(found)}, not {sorted(expected)}"
    for name, value in expected.items():
        assert np.isfinite(value).all(), f"{what}: {name} is {value}"
        allowed = tolerance * max(1.0, float(np.abs(value).max(initial=0)))
        np.testing.assert_allclose(found[name], value, rtol=0, atol=allowed, err_msg=f"{what}: {name}")
