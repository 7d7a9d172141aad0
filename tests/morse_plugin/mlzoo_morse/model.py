"""P. M. Morse, Phys. Rev. 34, 57 (1929), between all pairs of neighbours."""

import torch
from torch import nn

from mlzoo.graph import Graph
from mlzoo.model import EnergyModel
from mlzoo.nn.cutoffs import quintic_cutoff
from mlzoo.nn.segments import sum_per_segment
from mlzoo_morse.config import MorseConfig


class Morse(EnergyModel):
    def __init__(self, config: MorseConfig):
        super().__init__()
        self.cutoff, self.elements = config.cutoff, config.elements
        self.depth = nn.Parameter(torch.tensor(config.depth))  # eV
        self.stiffness = nn.Parameter(torch.tensor(config.stiffness))  # 1/Å
        self.bond = nn.Parameter(torch.tensor(config.bond))  # Å

    def forward(self, graph: Graph):
        lengths = graph.edges.lengths  # (E,)
        well = (1 - torch.exp(-self.stiffness * (lengths - self.bond))) ** 2 - 1  # (E,)
        pairs = self.depth * well * quintic_cutoff(lengths, self.cutoff)  # (E,)
        return {"energies": sum_per_segment(pairs / 2, graph.edges.receivers, graph.n_atoms)}  # (A,)
