"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., arXiv:2409.11321, algorithm 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

INTERVAL = 10  # steps from one look at the eigenbases to the next


class SOAP(torch.optim.Optimizer):
    """For parameters (..., m, n), each matrix in a basis of its own; vectors, rows and columns are left to Adam.

    Of the gradients G of a matrix, the means of GGᵀ and GᵀG are kept, and every ``INTERVAL`` steps their eigenbases follow.
    Turning a matrix by an orthogonal one on either side turns its updates alike, which Adam's would not. ``weight_decay`` is
    decoupled.

    In a basis that stays, Cauchy's inequality bounds what Adam divides: |mean| / √square ≤ (1 − β₁) / √((1 − β₂)(1 − β₁²/β₂)).
    Ours moves, and a mean square may then be that of a direction where little was seen: updates fifty times as large as the
    learning rate came up. So the bound is kept to by force. β₁² must be below β₂.
    """

    def __init__(self, parameters: Iterable[Mapping[str, Any]], betas: tuple[float, float] = (0.95, 0.99)):
        defaults = {"lr": 1e-3, "eps": 1e-8, "weight_decay": 0.0, "betas": betas}
        super().__init__([dict(group) for group in parameters], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        state, (beta, beta2) = self.state[parameter], group["betas"]
        largest = (1 - beta) / math.sqrt((1 - beta2) * (1 - beta**2 / beta2))
        if not state:
            state |= _beginning(gradient)
            return
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - beta)
        seen = _into_basis(state, gradient)
        state["square"].mul_(beta2).addcmul_(seen, seen, value=1 - beta2)
        spread = (state["square"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        update = (_into_basis(state, state["mean"]) / (1 - beta ** state["step"]) / spread).clamp_(-largest, largest)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(_back(state, update), alpha=-group["lr"])
        if "left" in state:
            state["left"].lerp_(gradient @ gradient.mT, 1 - beta2)
            state["right"].lerp_(gradient.mT @ gradient, 1 - beta2)
            if state["step"] % INTERVAL == 0:
                _follow(state)


def _beginning(gradient: Tensor) -> dict[str, Any]:
    """Of a parameter at its first gradient, which gives its basis and no more: in that basis it is nothing but a diagonal."""
    state: dict[str, Any] = {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    if gradient.ndim >= 2 and min(gradient.shape[-2:]) > 1:
        for side, moment in (("left", gradient @ gradient.mT), ("right", gradient.mT @ gradient)):
            state[side] = moment
            state[f"{side}_basis"] = torch.linalg.eigh(moment)[1].flip(-1)  # by falling eigenvalue
    return state


def _into_basis(state: Mapping[str, Any], x: Tensor) -> Tensor:
    return state["left_basis"].mT @ x @ state["right_basis"] if "left" in state else x


def _back(state: Mapping[str, Any], x: Tensor) -> Tensor:
    return state["left_basis"] @ x @ state["right_basis"].mT if "left" in state else x


def _follow(state: dict[str, Any]) -> None:
    """Both bases go on to the moments as they are now; the mean squares keep to their eigenvectors."""
    for side, dim in (("left", -2), ("right", -1)):
        state[f"{side}_basis"], order = _power_iteration(state[side], state[f"{side}_basis"])
        order = order.unsqueeze(-1 if dim == -2 else -2).expand_as(state["square"])
        state["square"] = state["square"].gather(dim, order)


def _power_iteration(
    moment: Float[Tensor, "*batch m m"], basis: Float[Tensor, "*batch m m"]
) -> tuple[Float[Tensor, "*batch m m"], Tensor]:
    """One step towards the eigenvectors, and the order (..., m) that the former ones take by falling eigenvalue."""
    order = (basis * (moment @ basis)).sum(-2).argsort(dim=-1, descending=True, stable=True)
    sorted_basis = basis.gather(-1, order.unsqueeze(-2).expand_as(basis))
    return torch.linalg.qr(moment @ sorted_basis).Q, order
