"""The three-body interaction of a frozen M3GNet block on a CPU in float32, without an intermediate array."""

from __future__ import annotations

import math

import numpy as np
import torch

from mlzoo_m3gnet.kernels import threebody_loops as loops
from mlzoo_m3gnet.kernels.plain import plain_backward


class FastThreeBody(torch.autograd.Function):
    """``ThreeBodyInteraction.update_edges`` for constant parameters.

    ``bonds`` are centres, neighbours and targets; ``weights`` (2, LN, W) those of the update; ``inputs`` are gates, edges,
    radial, cutoffs and harmonics.
    """

    @staticmethod
    def forward(ctx, plain, degrees, bonds, weights, *inputs):
        gates, edges, radial, cutoffs, harmonics = (tensor.detach() for tensor in inputs)
        count = radial.shape[1] // degrees
        scale = np.array([4 * math.pi / (2 * l + 1) for l in range(degrees)], dtype=np.float32) ** 0.5
        own = np.repeat(1 / scale, count)
        sums = torch.empty_like(radial)
        updated = edges.clone()
        geometry = [tensor.numpy() for tensor in (gates, radial, cutoffs, harmonics)]
        ctx.arrays = [*bonds, *geometry, count, scale, own, weights.numpy(), sums.numpy()]
        loops.forward(*ctx.arrays, updated.numpy())
        ctx.save_for_backward(*inputs)
        ctx.plain = plain
        return updated

    @staticmethod
    def backward(ctx, grad):
        if torch.is_grad_enabled():
            return None, None, None, None, *plain_backward(ctx.plain, ctx.saved_tensors, (grad,))
        gates, _, radial, cutoffs, harmonics = ctx.saved_tensors
        grads = [torch.zeros_like(tensor) for tensor in (gates, radial, cutoffs, harmonics)]
        loops.backward(grad.contiguous().numpy(), *ctx.arrays, *(each.numpy() for each in grads))
        return None, None, None, None, grads[0], grad, *grads[1:]
