"""mace-torch's products and readouts: contractions in the basis that the file brings, and maps to energies for each head."""

from __future__ import annotations

import torch

from mlzoo_mace.config import Activation, Contraction, Coupling, Irreps, Readout, degree
from mlzoo_mace.readers.couplings import over, polynomial
from mlzoo_mace.readers.e3nn_maps import Tensors, activation, scalars, under, uniform
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood


def read_contraction(
    product: Module, messages: tuple[Irreps, Irreps], channels: int, elements: int
) -> tuple[Irreps, Contraction, Tensors]:
    """Products up to each order for each output; tensors that couple nothing are left out, and outputs of none but those.

    ``messages`` are what it takes, and what of that is not zero.
    """
    taken, given = messages
    sizes = [2 * degree(irrep) + 1 for irrep in taken]
    kept = torch.cat([torch.full((n,), irrep in given) for n, irrep in zip(sizes, taken, strict=True)])
    module = product.child("symmetric_contractions", "SymmetricContraction")
    outputs, width = uniform(module.says("irreps_out"), module.at("irreps_out"))
    if uniform(module.says("irreps_in"), module.path) != (taken, channels) or width != channels:
        raise NotUnderstood(f"{module.path} does not take the messages, or changes their width")
    agnostic = product.says("use_agnostic_product", False)
    couplings: list[Coupling] = []
    state: Tensors = {}
    for irrep, each in zip(outputs, module.children("contractions"), strict=True):
        weights = [each.tensor("weights_max"), *each.tensors("weights")]  # from the highest order down
        for order, weight in zip(range(len(weights), 0, -1), weights, strict=True):
            tensor = each.tensor(f"U_matrix_{order}")
            # the output's components stand first, and scalars have no such axis
            tensor = tensor.unsqueeze(-2) if irrep[0] == "0" else tensor.movedim(0, -2)
            if tensor.dim() != order + 2 or weight.shape != (1 if agnostic else elements, tensor.shape[-1], channels):
                raise NotUnderstood(
                    f"{each.path} has weights of {tuple(weight.shape)} for {tuple(tensor.shape)} couplings"
                )
            monomials, coupled = polynomial(over(kept, tensor, order))
            if len(monomials):
                term = str(len(couplings))
                couplings.append(Coupling(irrep=irrep, order=order, monomials=len(monomials), paths=tensor.shape[-1]))
                state |= under(term, {"monomials": monomials, "couplings": coupled, "weights": weight})
    coupled_to = {coupling.irrep for coupling in couplings}
    return (
        tuple(irrep for irrep in outputs if irrep in coupled_to),
        Contraction(couplings=tuple(couplings), by_element=not agnostic),
        state,
    )


def read_readout(module: Module, heads: int) -> tuple[Readout, Tensors]:
    """A linear map, or a perceptron with a block of hidden scalars for each head; heads come first in our tensors."""
    if module.kind == "LinearReadoutBlock":
        return Readout(), {"weights.0": scalars(module.child("linear", "Linear")).T[:, :, None].contiguous()}
    kinds = ("NonLinearReadoutBlock", "NonLinearBiasReadoutBlock")
    if module.kind not in kinds:
        raise NotUnderstood(
            f"{module.path} is of the class {module.kind}; mlzoo reads LinearReadoutBlock, {', '.join(kinds)}"
        )
    module.demand("num_heads", heads)
    biased = module.kind == kinds[1]
    maps = [module.child(name, "Linear") for name in ("linear_1", *(["linear_mid"] if biased else []), "linear_2")]
    first, *others = (scalars(each) for each in maps)
    hidden = first.shape[1] // heads
    state = {"weights.0": first.unflatten(1, (heads, hidden)).transpose(0, 1).contiguous()}
    for index, (matrix, each) in enumerate(zip(others, maps[1:], strict=True)):
        square = matrix.unflatten(1, (heads, -1)).unflatten(0, (heads, hidden))  # (H, in, H, out)
        state[f"weights.{index + 1}"] = torch.stack([square[head, :, head] for head in range(heads)])
        if biased:
            state[f"biases.{index}"] = each.tensor("bias").unflatten(0, (heads, -1))
    non_linearity = module.child("non_linearity", "Activation")
    acts = non_linearity.children("acts")
    by = activation(acts[0]) if acts else Activation(function="identity")
    return Readout(hidden=hidden, layers=len(maps) - 1, activation=by, bias=biased), state
