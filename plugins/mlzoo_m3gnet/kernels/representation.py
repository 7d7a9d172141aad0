"""The representation of a frozen M3GNet, with its blocks in kernels."""

from jaxtyping import Float
from torch import Tensor, nn

from mlzoo.graph import Graph
from mlzoo_m3gnet.kernels.block import FrozenBlock
from mlzoo_m3gnet.model import Representation


class FastRepresentation(nn.Module):
    """Takes the place of the plain one in a model whose parameters will not change any more."""

    def __init__(self, plain: Representation):
        super().__init__()
        self.plain = plain
        self.index_of = plain.index_of
        self.frozen = [FrozenBlock(block) for block in plain.blocks]  # type: ignore[arg-type]

    def forward(self, graph: Graph) -> Float[Tensor, "A V"]:
        nodes, edges, basis, bonds, ends = self.plain.start(graph)
        for block in self.frozen:
            nodes, edges = block(nodes, edges, basis, bonds, ends)
        return nodes
