"""Set2Set: a set of rows as one row, whatever their order and number."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn.segments import softmax_per_segment, sum_per_segment


class Set2Set(nn.Module):
    """Attention over the members of each set, asked by an LSTM, ``steps`` times.

    Vinyals, Bengio and Kudlur, ICLR 2016 (arXiv:1511.06391), eqs. 3 to 7. An empty set gives the LSTM's answer to zeros.
    ``lstm`` is what asks, where it is another one than ``torch.nn.LSTM``, with the same arguments and results.
    """

    def __init__(self, width: int, steps: int, layers: int = 1, lstm: nn.Module | None = None):
        super().__init__()
        self.width, self.steps, self.layers = width, steps, layers
        self.lstm = lstm or nn.LSTM(2 * width, width, layers)

    def forward(self, x: Float[Tensor, "N W"], index: Int[Tensor, "N"], sets: int) -> Float[Tensor, "S 2*W"]:
        state = tuple(x.new_zeros(self.layers, sets, self.width) for _ in range(2))
        answer = x.new_zeros(sets, 2 * self.width)
        for _ in range(self.steps):
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                query, state = self.lstm(answer[None], state)
            attention = softmax_per_segment((x * query[0][index]).sum(dim=1), index, sets)
            answer = torch.cat([query[0], sum_per_segment(attention[:, None] * x, index, sets)], dim=1)
        return answer
