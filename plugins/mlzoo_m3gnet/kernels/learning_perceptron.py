"""An edge perceptron that learns, for one chunk of edges at a time: forward, backward, and backward through that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlzoo.nn.mlp import EdgeGatedMLP
from mlzoo_m3gnet.kernels import learning_loops as loops


@dataclass(frozen=True)
class LearningPerceptron:
    """Its parameters (or gradients of them) and those of the weights on its output; [value, gate] first throughout.

    The parts of the first layer that act on atoms are done outside, once for each atom. Arrays called ``z`` are what the
    activation behind each layer is applied to.
    """

    activate_weights: bool  # whether the weights on the output go through SiLU
    basis: Tensor  # (K, O)
    layers: Sequence[Tensor]  # (2, W, H), (2, H, H) ..., (2, H, O)
    biases: Sequence[Tensor]  # (2, H) ..., (2, O); of all layers but the first, whose bias counts for the centre

    @classmethod
    def of(cls, mlp: EdgeGatedMLP, basis_weights: nn.Linear, activate_weights: bool = False) -> LearningPerceptron:
        """Differentiable views of the parameters of these modules."""
        assert mlp.biases is not None
        first, *others = mlp.weights
        layers = [first[:, -mlp.blocks[2] :], *(each.view_as(each) for each in others)]
        return cls(activate_weights, basis_weights.weight.mT, layers, [bias[:, 0] for bias in list(mlp.biases)[1:]])

    @property
    def tensors(self) -> list[Tensor]:
        return [self.basis, *self.layers, *self.biases]

    def with_tensors(self, tensors: Sequence[Tensor]) -> LearningPerceptron:
        basis, *others = tensors
        n = len(self.layers)
        return LearningPerceptron(self.activate_weights, basis, others[:n], others[n:])

    @property
    def widths(self) -> list[int]:
        return [layer.shape[2] for layer in self.layers]

    def forward(self, z: Sequence[Tensor], edges: Tensor, basis: Tensor) -> Tensor:
        """(n, O); z[0] comes in as what both ends contribute."""
        z[0].baddbmm_(edges.expand(2, -1, -1), self.layers[0])
        biases = [edges.new_zeros(2, self.widths[0]), *self.biases]
        for bias, weight, here, behind in zip(biases, self.layers[1:], z, z[1:], strict=False):
            activated = torch.empty_like(here)
            loops.silu(here.numpy(), bias.numpy(), activated.numpy())
            torch.bmm(activated, weight, out=behind)
        weights = self._weights(basis @ self.basis)
        out = torch.empty_like(weights)
        loops.gate(z[-1].numpy(), biases[-1].numpy(), weights.numpy(), out.numpy())
        return out

    def backward(
        self, grad: Tensor, z: Sequence[Tensor], basis: Tensor, kept: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Gradients by z[0] and the basis; ``kept`` goes out as those by each activated hidden layer."""
        product = basis @ self.basis
        x, by_weights = torch.empty_like(z[-1]), torch.empty_like(product)
        loops.gate_back(grad.numpy(), z[-1].numpy(), self._weights(product).numpy(), x.numpy(), by_weights.numpy())
        for weight, here, by_activated in zip(reversed(self.layers[1:]), z[-2::-1], reversed(kept), strict=True):
            torch.bmm(x, weight.mT, out=by_activated)
            x = torch.empty_like(here)
            loops.silu_back(by_activated.numpy(), here.numpy(), x.numpy())
        return x, self._slope(product, by_weights) @ self.basis.mT

    def to_edges(self, x: Tensor, out: Tensor) -> None:
        """The edges' share of the gradient by z[0], added to ``out`` (n, W)."""
        out.addmm_(x[0], self.layers[0][0].mT).addmm_(x[1], self.layers[0][1].mT)

    def learn(
        self,
        grad: Tensor,
        z: Sequence[Tensor],
        more: Sequence[Tensor],
        edges: Tensor,
        basis: Tensor,
        total: LearningPerceptron,
    ) -> tuple[Tensor, Tensor]:
        """As ``backward``, with ``more`` gradients that come by each z; those of the parameters are added to ``total``."""
        product = basis @ self.basis
        x, by_weights = torch.empty_like(z[-1]), torch.empty_like(product)
        loops.gate_back(grad.numpy(), z[-1].numpy(), self._weights(product).numpy(), x.numpy(), by_weights.numpy())
        x += more[-1]
        by_product = self._slope(product, by_weights)
        total.basis.addmm_(basis.mT, by_product)
        for layer in range(len(z) - 2, -1, -1):
            total.biases[layer].add_(x.sum(dim=1))
            behind, activated = x, torch.empty_like(z[layer])
            x = torch.bmm(behind, self.layers[layer + 1].mT)
            loops.silu_back_adding(x.numpy(), z[layer].numpy(), more[layer].numpy(), activated.numpy())
            total.layers[layer + 1].baddbmm_(activated.mT, behind)
        total.layers[0].baddbmm_(edges.expand(2, -1, -1).mT, x)
        return x, by_product @ self.basis.mT

    def backward_twice(
        self,
        x: Tensor,
        from_edges: Tensor,
        from_basis: Tensor,
        grad: Tensor,
        z: Sequence[Tensor],
        basis: Tensor,
        kept: Sequence[Tensor],
        by_z: Sequence[Tensor],
        total: LearningPerceptron,
    ) -> tuple[Tensor, Tensor]:
        """The gradient of ``backward`` by its ``grad`` and the basis; those by each z into ``by_z``.

        ``x`` comes in as the share of both ends of what comes by the gradient of z[0], and ``from_edges`` (n, W) and
        ``from_basis`` as what comes by the gradients of edges and basis.
        """
        left = from_edges.expand(2, -1, -1)
        for layer, (here, by_activated) in enumerate(zip(z, kept, strict=False)):
            x.baddbmm_(left, self.layers[0]) if layer == 0 else torch.bmm(left, self.layers[layer], out=x)
            back = torch.empty_like(here)
            loops.silu_back_twice(*(each.numpy() for each in (x, by_activated, here, by_z[layer], back)))
            total.layers[layer].baddbmm_(left.mT, back)
            left, x = x, torch.empty_like(z[layer + 1])
        x.baddbmm_(left, self.layers[0]) if len(z) == 1 else torch.bmm(left, self.layers[-1], out=x)
        product, x_product = basis @ self.basis, from_basis @ self.basis
        by_weights, by_grad, back, back_weights = (torch.empty_like(each) for each in (product, grad, x, product))
        arrays = (
            x, self._slope(product, x_product), grad, z[-1], self._weights(product),
            by_z[-1], by_weights, by_grad, back, back_weights,
        )  # fmt: skip
        loops.gate_back_twice(*(each.numpy() for each in arrays))
        total.layers[-1].baddbmm_(left.mT, back)
        total.basis.addmm_(from_basis.mT, self._slope(product, back_weights))
        by_product = self._slope(product, by_weights)
        if self.activate_weights:
            s = product.sigmoid()
            by_product += x_product * back_weights * s * (1 - s) * (2 + product * (1 - 2 * s))
        total.basis.addmm_(basis.mT, by_product)
        return by_grad, by_product @ self.basis.mT

    def _weights(self, product: Tensor) -> Tensor:
        return product * product.sigmoid() if self.activate_weights else product

    def _slope(self, product: Tensor, grad: Tensor) -> Tensor:
        """Gradient by the product of basis and weights from that by what it becomes."""
        if not self.activate_weights:
            return grad
        s = product.sigmoid()
        return grad * s * (1 + product * (1 - s))
