"""MACE does what every architecture has to do, in each of its variations, on weights in the formats that are read."""

from __future__ import annotations

import copy
from functools import cache
from typing import ClassVar

import pytest

import mlzoo
from mlzoo.testing import ArchitectureContract


@cache
def loaded(path):
    return mlzoo.load(path, dtype="float64", device="cpu", exact=True).model


class OnFile(ArchitectureContract):
    file: ClassVar[str]

    @pytest.fixture
    def model(self, shared):
        return copy.deepcopy(loaded(shared / "weights" / self.file))


class TestSpice2(OnFile):
    file = "mlip/v01_spice2.zip"


@pytest.mark.long  # the others try each of its parts
class TestSymmetricBasisOfScalars(OnFile):
    file = "mlip/v01_lmax3_corr3_symmetric_ns1.zip"


class TestPseudotensors(OnFile):
    file = "mlip/v02_pseudotensors.zip"


class TestGauntProducts(OnFile):
    file = "mlip/v02_gaunt_sc_mp.zip"


class TestCoulomb(OnFile):
    file = "mlip/v02_coulomb.zip"


@pytest.mark.long  # the others try each of its parts
class TestThreeLayersOfTensors(OnFile):
    file = "mace-torch/large-like-l2.model"


class TestManyHeads(OnFile):
    file = "mace-torch/mh-like.model"


class TestChargeAndSpin(OnFile):
    file = "mace-torch/omol-like.model"
