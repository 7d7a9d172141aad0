"""The contract passes what is right, and each mistake is caught by the parts that are meant for it."""

import inspect

import pytest
import torch
from torch import nn

from mlzoo.conditions import Condition
from mlzoo.derivatives import evaluate
from mlzoo.errors import UndeclaredUse
from mlzoo.graph import graph_from_structure
from mlzoo.model import EnergyModel
from mlzoo.nn.cutoffs import quintic_cutoff
from mlzoo.nn.segments import sum_per_segment
from mlzoo.testing import ArchitectureContract, structures_for
from mlzoo.testing.subject import predictor_of


class Morse(EnergyModel):
    """Right in every respect; the others change one thing."""

    cutoff = 5.0  # Å
    elements = (8, 29)

    def __init__(self):
        super().__init__()
        self.depth = nn.Parameter(torch.tensor(0.3))  # eV

    def pair(self, lengths):
        return self.depth * ((1 - torch.exp(-1.4 * (lengths - 2.3))) ** 2 - 1) * self.envelope(lengths)

    def envelope(self, lengths):
        return quintic_cutoff(lengths, self.cutoff)

    def at_atoms(self, graph, values):
        return sum_per_segment(values, graph.edges.receivers, graph.n_atoms)

    def energies(self, graph):
        return self.at_atoms(graph, 0.5 * self.pair(graph.edges.lengths))

    def forward(self, graph):
        return {"energies": self.energies(graph)}


# What is right, by declaration


class Truncated(Morse):
    smoothness = "none"

    def envelope(self, lengths):
        return torch.ones_like(lengths)


class Tether(Morse):
    """Springs to points in space."""

    uses = frozenset({"positions"})

    def energies(self, graph):
        return super().energies(graph) + 0.1 * ((graph.positions - 1) ** 2).sum(dim=1)


class Pressure(Morse):
    """p V, shared by the atoms."""

    uses = frozenset({"cell"})

    def energies(self, graph):
        volume = torch.linalg.det(graph.cell).abs()
        return super().energies(graph) + 0.01 * (volume / graph.structure_index.bincount())[graph.structure_index]


class Charged(Morse):
    """The charge spread over all atoms, repelling between neighbours."""

    conditions = (Condition("charge", default=0),)

    def energies(self, graph):
        charges = (graph.conditions["charge"] / graph.structure_index.bincount())[graph.structure_index]
        both = (charges[graph.edges.senders] * charges[graph.edges.receivers]).to(self.depth.dtype)
        return super().energies(graph) + self.at_atoms(graph, both * self.envelope(graph.edges.lengths))


class Coulomb(Morse):
    """Alternating charges, with energy and force shifted to zero at the longer cutoff."""

    long_range_cutoff = 8.0  # Å

    def energies(self, graph):
        far, r = graph.long_range, graph.long_range.lengths
        sign = torch.where(graph.atomic_numbers == 8, -1.0, 1.0).to(r.dtype)
        shifted = 1 / r - 2 / self.long_range_cutoff + r / self.long_range_cutoff**2
        terms = 7.2 * sign[far.senders] * sign[far.receivers] * shifted
        return super().energies(graph) + sum_per_segment(terms, far.receivers, graph.n_atoms)


class WithoutForces(Morse):
    derivatives = 0


# What is wrong in one respect each


class JumpsAtTheCutoff(Truncated):
    smoothness = "forces"


class KinkAtTheCutoff(Morse):
    def envelope(self, lengths):
        return 1 - lengths / self.cutoff


class DetachedEnergy(Morse):
    def energies(self, graph):
        return super().energies(graph).detach()


class MeanOverAtoms(Morse):
    def energies(self, graph):
        return super().energies(graph) / graph.structure_index.bincount()[graph.structure_index]


class PairsToOneEnd(Morse):
    def energies(self, graph):
        first = (graph.edges.senders <= graph.edges.receivers).to(self.depth.dtype)
        return self.at_atoms(graph, first * self.pair(graph.edges.lengths))


class PrefersAnAxis(Morse):
    def energies(self, graph):
        return self.at_atoms(graph, self.pair(graph.edges.lengths) * graph.edges.vectors[:, 2] ** 2)


class PrefersAHand(Morse):
    def energies(self, graph):
        scale = self.pair(graph.edges.lengths)[:, None] * graph.edges.vectors
        lengths = graph.edges.lengths[:, None]
        a, b, c = (self.at_atoms(graph, scale * lengths**power) for power in (0, 1, 2))
        return 0.01 * (torch.linalg.cross(a, b) * c).sum(dim=1)


class NothingForOneAtom(Morse):
    def energies(self, graph):
        count = self.at_atoms(graph, torch.ones_like(graph.edges.lengths))
        return super().energies(graph) / count


class MixesTheBatch(Morse):
    def energies(self, graph):
        return super().energies(graph) + 0.01 * (graph.n_structures - 1)


class RoundsTheSum(Morse):
    def energies(self, graph):
        return super().energies(graph) + self.at_atoms(graph, self.pair(graph.edges.lengths)).float().mul(1e-3).double()


class PlainBuffer(Morse):
    def __init__(self):
        super().__init__()
        self.register_buffer("constant", torch.tensor(1 / 3, dtype=torch.float64))

    def energies(self, graph):
        return super().energies(graph) + self.constant


class CountsItsCalls(Morse):
    calls = 0

    def energies(self, graph):
        self.calls += 1
        return super().energies(graph) * (1 + 1e-12 * self.calls)


class DiffersInFloat32(Morse):
    def energies(self, graph):
        return super().energies(graph) * (1 if self.depth.dtype == torch.float64 else 1.01)


class UndeclaredOutput(Morse):
    def forward(self, graph):
        return {**super().forward(graph), "charges": torch.zeros(graph.n_atoms)}


class LeavesGradients(Morse):
    def energies(self, graph):
        with torch.enable_grad():
            (self.depth * 1.0).backward()
        return super().energies(graph)


def outcome(model, tmp_path):
    """Names of the parts that fail, and of those that are skipped."""
    contract, failed, skipped = ArchitectureContract(), set(), set()
    for name in [name for name in dir(contract) if name.startswith("test_")]:
        part = getattr(contract, name)
        fixtures = {
            "model": model,
            "predictor": predictor_of(model, torch.float64),
            "structures": structures_for(model),
            "tmp_path": tmp_path,
        }
        try:
            part(**{argument: fixtures[argument] for argument in inspect.signature(part).parameters})
        except AssertionError:
            failed.add(name.removeprefix("test_"))
        except pytest.skip.Exception:
            skipped.add(name.removeprefix("test_"))
    return failed, skipped


SLOPES = {"forces_are_the_slope_of_the_energy", "virial_is_the_slope_under_strain"}
HESSIAN = {"hessian_is_the_slope_of_the_forces"}
ENERGY_SMOOTH, FORCES_SMOOTH = {"the_energy_is_continuous_at_the_cutoff"}, {"the_forces_are_continuous_at_the_cutoff"}
FRAME = {"rotating_a_structure_rotates_its_forces", "a_mirror_image_has_mirrored_forces"}
BALANCE = {"forces_sum_to_zero", "the_virial_is_symmetric"}
SUPERCELL, FRAGMENTS = {"a_supercell_has_the_energy_of_its_cells"}, {"far_fragments_do_not_know_of_each_other"}
ALONE, OPEN = {"an_atom_alone_has_an_energy_and_no_forces"}, {"open_directions_are_a_cell_too_large_to_matter"}
ORDER, IMAGES = {"the_order_of_atoms_does_not_matter"}, {"which_image_of_an_atom_is_given_does_not_matter"}
ORIGIN = {"where_the_origin_lies_does_not_matter"}


@pytest.mark.parametrize(
    ("model", "not_claimed"),
    [
        (Morse, set()),
        (Truncated, ENERGY_SMOOTH | FORCES_SMOOTH),
        (Tether, FRAME | BALANCE | ORIGIN | SUPERCELL | FRAGMENTS | OPEN | IMAGES),
        (Pressure, OPEN),
        (Charged, set()),
        (Coulomb, set()),
        (WithoutForces, SLOPES | HESSIAN | BALANCE | FORCES_SMOOTH),
    ],
)
def test_a_right_model_passes_all_that_it_claims(model, not_claimed, tmp_path):
    assert outcome(model(), tmp_path) == (set(), not_claimed)


@pytest.mark.parametrize(
    ("model", "caught_by"),
    [
        (JumpsAtTheCutoff, ENERGY_SMOOTH | FORCES_SMOOTH),
        (KinkAtTheCutoff, FORCES_SMOOTH),
        (DetachedEnergy, SLOPES),
        (MeanOverAtoms, SUPERCELL | FRAGMENTS),
        (PairsToOneEnd, ORDER | SUPERCELL),
        (PrefersAnAxis, FRAME | {"the_virial_is_symmetric"}),
        (PrefersAHand, {"a_mirror_image_has_mirrored_forces"}),
        (NothingForOneAtom, ALONE | ENERGY_SMOOTH | FORCES_SMOOTH),
        (MixesTheBatch, {"a_batch_gives_what_each_gives_alone"}),
        (RoundsTheSum, SLOPES),
        (PlainBuffer, {"constants_survive_a_detour_through_float32"}),
        (CountsItsCalls, {"the_same_input_gives_the_same_bits", "how_arrays_lie_in_memory_does_not_matter"}),
        (DiffersInFloat32, {"float32_agrees_with_float64"}),
        (UndeclaredOutput, {"every_output_is_declared_and_has_its_shape"}),
        (LeavesGradients, {"no_gradient_is_left_behind"}),
    ],
)
def test_a_mistake_is_caught_by_what_is_meant_for_it(model, caught_by, tmp_path):
    assert outcome(model(), tmp_path)[0] == caught_by


@pytest.mark.parametrize(("model", "name"), [(Tether, "positions"), (Pressure, "cell")])
def test_use_of_what_is_not_declared_is_refused(model, name):
    liar, atoms = model(), structures_for(model())["slab"]
    liar.uses = frozenset()
    with pytest.raises(UndeclaredUse, match=f'Add "{name}" to the model\'s `uses`'):
        evaluate(liar.double(), graph_from_structure(atoms, liar.cutoff), ["energy"])
