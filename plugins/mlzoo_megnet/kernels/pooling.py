"""Set2Set with constant parameters."""

from __future__ import annotations

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
            weight, bias = lstm.weight_ih_l0.detach().clone(), (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
            weight[:, : self.width] += lstm.weight_hh_l0.detach()
            self.hard = None
        self.weight, self.bias = weight.T.contiguous(), bias

    def __call__(self, x: Tensor, index: Tensor, sets: int) -> Tensor:
        x = x if self.projection is None else self.projection(x)
        rows, sets_of_rows = x.numpy(), index.numpy()
        cell, answer = x.new_zeros(sets, self.width).numpy(), x.new_zeros(sets, 2 * self.width)
        scores = x.new_empty(len(x)).numpy()
        for _ in range(self.steps):
            gates = torch.addmm(self.bias, answer, self.weight).numpy()
            query, found = x.new_empty(sets, self.width), x.new_zeros(sets, self.width)
            if self.hard is None:
                loops.lstm(gates, cell, query.numpy())
            else:
                loops.forgetful_lstm(gates, self.hard, query.numpy())
            largest, total = x.new_full((sets,), -torch.inf).numpy(), x.new_zeros(sets).numpy()
            loops.attend(rows, sets_of_rows, query.numpy(), scores, largest, total, found.numpy())
            answer = torch.cat([query, found], dim=1)
        return answer
