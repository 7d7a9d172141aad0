"""Derivatives where the contract does not look: undefined stress, refusals, energies that depend on nothing."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from mlzoo.derivatives import evaluate, hessian
from mlzoo.errors import UndeclaredUse, UnsupportedProperty
from mlzoo.graph import graph_from_structure, join
from mlzoo.model import EnergyModel, PropertyModel
from mlzoo.nn.segments import sum_per_segment
from mlzoo.properties import Property


class Springs(EnergyModel):
    """k/2 (r − b)² between neighbours; derivatives by hand are one line."""

    cutoff, elements = 3.0, (29,)
    stiffness, rest = 2.0, 2.0  # eV/Å², Å

    def forward(self, graph):
        pairs = self.stiffness / 4 * (graph.edges.lengths - self.rest) ** 2
        return {"energies": sum_per_segment(pairs, graph.edges.receivers, graph.n_atoms)}


class Field(Springs):
    """A uniform force: linear in the positions, so its second derivative is nothing."""

    uses = frozenset({"positions"})

    def forward(self, graph):
        return {"energies": graph.positions @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)}


class Gap(PropertyModel):
    cutoff, elements, outputs = 3.0, (29,), (Property("band_gap", "eV"),)

    def forward(self, graph):
        return {"band_gap": torch.ones(graph.n_structures)}


DIMER = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]])


def evaluated(model, atoms, *names):
    return evaluate(model, graph_from_structure(atoms, model.cutoff), names)


def test_forces_and_virial_of_a_spring_are_those_of_hooke():
    found = evaluated(Springs(), DIMER, "energy", "forces", "virial")
    assert found["energy"].item() == pytest.approx(0.25)
    np.testing.assert_allclose(found["forces"], [[0, 0, 1], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(found["virial"], [np.diag([0, 0, 2.5])], atol=1e-12)


def test_hessian_of_a_spring_is_its_stiffness_along_the_bond_and_its_tension_across():
    across = 2.0 * (1 - 2.0 / 2.5)
    block = np.diag([across, across, 2.0])
    graph = graph_from_structure(DIMER, 3.0)
    np.testing.assert_allclose(hessian(Springs(), graph), np.block([[block, -block], [-block, block]]), atol=1e-12)


def test_hessian_of_an_energy_linear_in_positions_is_zero():
    np.testing.assert_array_equal(hessian(Field(), graph_from_structure(DIMER, 3.0)), np.zeros((6, 6)))


def test_hessian_of_an_atom_alone_is_zero():
    np.testing.assert_array_equal(hessian(Springs(), graph_from_structure(Atoms("Cu"), 3.0)), np.zeros((3, 3)))


def test_forces_of_a_field_are_the_field():
    np.testing.assert_allclose(evaluated(Field(), DIMER, "forces")["forces"], [[-1, -2, -3]] * 2)


def test_stress_is_the_virial_over_the_volume():
    copper = bulk("Cu")
    found = evaluated(Springs(), copper, "virial", "stress")
    expected = found["virial"][0].diagonal() / copper.get_volume()
    np.testing.assert_allclose(found["stress"][0, :3], expected)


@pytest.mark.parametrize("pbc", [False, (True, False, False)])
def test_stress_is_nan_where_there_is_no_volume(pbc):
    atoms = Atoms("Cu2", positions=DIMER.positions, cell=[4, 0, 0], pbc=pbc)
    assert evaluated(Springs(), atoms, "stress")["stress"].isnan().all()


def test_an_empty_batch_keeps_its_axes():
    found = evaluate(Springs(), join([]), ["energy", "energies", "forces", "virial", "stress"])
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    assert shapes == {"energy": (0,), "energies": (0,), "forces": (0, 3), "virial": (0, 3, 3), "stress": (0, 6)}


def test_results_can_be_differentiated_again_where_asked():
    graph = graph_from_structure(DIMER, 3.0)
    model = Springs()
    vars(model)["stiffness"] = stiffness = torch.tensor(2.0, requires_grad=True)
    assert not evaluate(model, graph, ["forces"])["forces"].requires_grad
    evaluate(model, graph, ["forces"], create_graph=True)["forces"][0, 2].backward()
    assert stiffness.grad.item() == pytest.approx(0.5)  # force = k (r − b)


def test_a_property_that_the_model_does_not_predict_is_refused_with_those_it_does():
    with pytest.raises(
        UnsupportedProperty, match=r"Springs does not predict charges. It predicts energy, energies, forces"
    ):
        evaluated(Springs(), DIMER, "energy", "charges")
    with pytest.raises(UnsupportedProperty, match=r"Gap does not predict forces. It predicts band_gap."):
        evaluated(Gap(), DIMER, "forces")


@pytest.mark.parametrize("model", [Gap(), type("Once", (Springs,), {"derivatives": 1})()])
def test_a_hessian_is_refused_without_second_derivatives(model):
    with pytest.raises(UnsupportedProperty, match="has no Hessian: it declares no second derivatives"):
        hessian(model, graph_from_structure(DIMER, 3.0))


@pytest.mark.parametrize("name", ["positions", "cell"])
@pytest.mark.parametrize(
    "use", [lambda x: x + 1, lambda x: x.sum(), lambda x: x[0], lambda x: torch.cat([x, x]), torch.linalg.norm]
)
def test_any_use_of_what_is_not_declared_is_refused(name, use):
    class Reads(Springs):
        def forward(self, graph):
            return {"energies": use(getattr(graph, name))}

    with pytest.raises(UndeclaredUse, match=rf"the model reads graph\..*{name}.* but does not declare it"):
        evaluated(Reads(), DIMER, "energy")
