"""M3GNet does what every architecture has to do, in each of its variations."""

import pytest

from mlzoo.targets import Target
from mlzoo.testing import ArchitectureContract, PropertyContract
from mlzoo_m3gnet.config import EnergyReadout, M3GNetConfig, MeanReadout, Set2SetReadout, WeightedMeanReadout

WIDTHS = {"node_width": 8, "edge_width": 8, "hidden_width": 8, "blocks": 2}
SMALL = M3GNetConfig(elements=(1, 8, 14, 29), **WIDTHS)
BAND_GAP = Target(name="band_gap", unit="eV", mean=-1.5, std=0.8)
HAS_BAND_GAP = Target(name="has_band_gap", unit="probability", classification=True)


class TestSmoothBasis(ArchitectureContract):
    architecture = "m3gnet"
    config = SMALL


class TestBesselBasis(ArchitectureContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"radial_basis": "bessel"})


class TestMessagesToTheNeighbour(ArchitectureContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"aggregate": "neighbour"})


@pytest.mark.long  # each of the two is tried by itself
class TestMessagesToTheNeighbourInTheBesselBasis(ArchitectureContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"aggregate": "neighbour", "radial_basis": "bessel"})


class TestTheOriginalOfThePaper(ArchitectureContract):
    """As the authors' TensorFlow code has it."""

    architecture = "m3gnet"
    config = SMALL.model_copy(
        update={
            "threebody_basis": "bessel",
            "edge_embedding_bias": False,
            "update_layers": 2,
            "activate_node_weights": True,
            "readout": EnergyReadout(layers=3),
        }
    )


class TestSmoothAnglesOnBesselEdges(ArchitectureContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"radial_basis": "bessel", "threebody_basis": "smooth"})


class TestPrunedTriplets(ArchitectureContract):
    """MatGL's defect, tested as declared: dependent on the order of edges, and not local."""

    architecture = "m3gnet"
    config = SMALL.model_copy(update={"triplets": "pruned"})

    def test_it_declares_what_it_does_not_do(self, model):
        assert model.edge_order == "matgl"
        assert not model.local


class TestSet2Set(PropertyContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"readout": Set2SetReadout(target=BAND_GAP)})


class TestWeightedMean(PropertyContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"readout": WeightedMeanReadout(target=BAND_GAP)})


class TestMean(PropertyContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"readout": MeanReadout(target=BAND_GAP)})


class TestClassificationBySet2Set(PropertyContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"readout": Set2SetReadout(target=HAS_BAND_GAP)})


class TestClassificationByWeightedMean(PropertyContract):
    architecture = "m3gnet"
    config = SMALL.model_copy(update={"readout": WeightedMeanReadout(target=HAS_BAND_GAP)})

    def test_it_is_a_probability(self, predictor, structures):
        assert all(0 < predictor.predict(atoms)["has_band_gap"] < 1 for atoms in structures.values())


@pytest.mark.parametrize("basis", ["smooth", "bessel"])
def test_smoothness_is_that_of_the_radial_basis(basis):
    from mlzoo_m3gnet import build

    assert (
        build(SMALL.model_copy(update={"radial_basis": basis})).smoothness
        == {"smooth": "forces", "bessel": "energy"}[basis]
    )
