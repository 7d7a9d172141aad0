"""MEGNet does what every model of a property has to do, in each of its variations."""

import pytest
import torch
from ase import Atoms
from pydantic import ValidationError

from mlzoo.targets import Target
from mlzoo.testing import PropertyContract
from mlzoo_megnet import build
from mlzoo_megnet.config import GaussianExpansion, MEGNetConfig, Set2SetReadout

SMALL = MEGNetConfig(
    elements=(1, 8, 14, 29),
    gaussians=GaussianExpansion(last=5.0, count=20, exponent=0.5),
    node_width=6,
    encoder=(12, 8),
    update=(12, 12, 8),
    blocks=2,
    set2set=Set2SetReadout(width=None),
    readout=(8, 4),
    target=Target(name="formation_energy_per_atom", unit="eV/atom", mean=-1.5, std=0.8),
)


class TestAsInTheOriginal(PropertyContract):
    """Means at the centre, updates without a last activation, a projected Set2Set without memory."""

    architecture = "megnet"
    config = SMALL.model_copy(update={"set2set": Set2SetReadout(steps=2, width=4, memory=False, gates="hard_sigmoid")})


class TestAsInMatGL(PropertyContract):
    """Means at the neighbour, updates that end in an activation, an LSTM."""

    architecture = "megnet"
    config = SMALL.model_copy(update={"aggregate": "neighbour", "activate_update": True})


class TestSeveralStates(PropertyContract):
    architecture = "megnet"
    config = SMALL.model_copy(update={"states": ("pbe", "hse"), "state_width": 5})


class TestClassification(PropertyContract):
    architecture = "megnet"
    config = SMALL.model_copy(update={"target": Target(name="has_band_gap", unit="probability", classification=True)})

    def test_it_gives_a_probability(self, predictor, structures):
        found = [answer["has_band_gap"] for answer in predictor.predict(list(structures.values()))]
        assert all(0 < value < 1 for value in found)


def test_the_network_itself_gives_a_number_where_nothing_is_bonded():
    """The refusal is for users: means and Set2Sets of nothing are zeros, and no NaN spreads through a batch."""
    from mlzoo.graph import graph_from_structure, join

    model = build(SMALL).double()
    alone = graph_from_structure(Atoms("H"), cutoff=4.0)
    pair = graph_from_structure(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]]), cutoff=4.0)
    single, both = model(alone), model(join([pair, alone, pair]))["formation_energy_per_atom"]
    assert torch.isfinite(both).all()
    torch.testing.assert_close(both[1:2], single["formation_energy_per_atom"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("elements", ()),
        ("elements", (1, 1)),
        ("states", ("pbe", "pbe")),
        ("encoder", (64, 16)),
        ("set2set", {"gates": "hard_sigmoid"}),
        ("set2set", {"memory": False, "layers": 2}),
        ("target", {"classification": True, "mean": 1.0}),
        ("aggregate", "both"),
        ("widths", 3),
    ],
)
def test_a_config_that_no_code_serves_is_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        MEGNetConfig(**{"elements": (1, 8), field: value})
