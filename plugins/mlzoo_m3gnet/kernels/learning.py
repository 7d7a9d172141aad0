"""The representation of an M3GNet that learns, with the edge perceptrons of its blocks in kernels."""

from jaxtyping import Float
from torch import Tensor, nn

from mlzoo.graph import Graph
from mlzoo_m3gnet.kernels.learning_block import EdgePart, table_of
from mlzoo_m3gnet.model import Block, Representation


class LearningRepresentation(nn.Module):
    """Takes the place of the plain one, whose parameters it shares; gradients, and gradients of forces, go through it."""

    def __init__(self, plain: Representation):
        super().__init__()
        self.plain = plain
        self.index_of = plain.index_of

    def forward(self, graph: Graph) -> Float[Tensor, "A V"]:
        nodes, edges, basis, bonds, ends = self.plain.start(graph)
        for block in self.plain.blocks:
            assert isinstance(block, Block)
            edges = block.threebody(nodes, edges, bonds)
            sums, edges = EdgePart.of(block, ends)(table_of(block, nodes), edges, basis)
            nodes = nodes + sums
        return nodes
