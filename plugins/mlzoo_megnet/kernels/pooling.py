"""Set2Set with constant parameters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo_megnet.kernels import loops
from mlzoo_megnet.pooling import ForgetfulLSTM, Pool


class FrozenPool:
    """``Pool`` with an LSTM of one layer.

    The LSTM's last output is the first half of what it reads, so that its two matrices become one.
    """

    def __init__(self, pool: Pool):
        self.projection = pool.projection
        self.width, self.steps = pool.set2set.width, pool.set2set.steps
        lstm = pool.set2set.lstm
        if isinstance(lstm, ForgetfulLSTM):
            weight, bias = lstm.gates.weight.detach(), lstm.gates.bias.detach()
            self.hard: bool | None = lstm.hard
        else:
            assert isinstance(lstm, nn.LSTM)
            of_answer, of_query, bias, more_bias = (each.detach() for each in lstm.all_weights[0])
            weight, bias = of_answer.clone(), bias + more_bias
            weight[:, : self.width] += of_query
            self.hard = None
        self.weight, self.bias = weight.T.contiguous(), bias

    def __call__(self, x: Tensor, index: np.ndarray, sets: int) -> Tensor:
        rows = (x if self.projection is None else self.projection(x)).numpy()
        answer, cell = x.new_zeros(sets, 2 * self.width), np.zeros((sets, self.width), np.float32)
        scores = np.empty(len(rows), np.float32)
        for _ in range(self.steps):
            gates = torch.addmm(self.bias, answer, self.weight).numpy()
            if self.hard is None:
                loops.lstm(gates, cell, answer.numpy())
            else:
                loops.forgetful_lstm(gates, self.hard, answer.numpy())
            loops.attend(rows, index, scores, answer.numpy())
        return answer
