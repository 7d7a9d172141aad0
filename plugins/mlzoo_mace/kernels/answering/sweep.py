"""All layers forth and back as one operation in the graph of derivatives.

What PyTorch records of each map and each view costs more than a small structure's arithmetic. Here every layer leaves
the way back behind it, and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlzoo_mace.config import Irreps, degree
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.answering.convolution import Walk
from mlzoo_mace.kernels.answering.layer import FrozenLayer
from mlzoo_mace.kernels.answering.mixing import Order, mapped, mapped_back
from mlzoo_mace.kernels.answering.polynomials import Polynomials
from mlzoo_mace.kernels.answering.recorded import Back, recorded

Slopes = tuple[Features, Features, Tensor, Tensor, Tensor | None]
"""By what a layer's atoms send, by their features before it, by harmonics, by places, by a count of neighbours."""

LayerBack = Callable[[Features, Features], Slopes]
"""From slopes by the features behind a layer, and by what its atoms send to the next."""


def sweep(layers: Sequence[FrozenLayer], nodes: Features, elements: Int[Tensor, "A"], walk: Walk) -> list[Features]:
    """Features of the atoms behind each layer, as far as they are read; inside, atoms stand element by element."""
    order = Order.of(elements)
    places = [layer.tables.splines.places(walk.lengths) for layer in layers]
    counts = [layer.count(walk, len(elements))[order.atoms] for layer in layers if layer.by.density]
    nodes = {irrep: x[order.atoms] for irrep, x in nodes.items()}
    step = partial(_forth, layers, nodes, order, walk.ordered(order.atoms, order.places))
    return _by_layer(layers, recorded(step, walk.harmonics, *places, *counts))


def _forth(
    layers: Sequence[FrozenLayer],
    nodes: Features,
    order: Order,
    walk: Walk,
    harmonics: Float[Tensor, "E H"],
    *of_layers: Tensor,
) -> tuple[tuple[Tensor, ...], Back]:
    places, counts = of_layers[: len(layers)], iter(of_layers[len(layers) :])
    sent, read = layers[0].up(nodes), []
    backs: list[LayerBack] = []
    for layer, place in zip(layers, places, strict=True):
        count = next(counts) if layer.by.density else None
        nodes, sent, back = _layer(layer, sent, nodes, order, walk, place, count, not backs)
        read += [nodes[irrep].index_select(0, order.places) for irrep in layer.read]
        backs.append(back)

    def all_back(*by_read: Tensor | None) -> tuple[Tensor | None, ...]:
        flat = [None if each is None else each.index_select(0, order.atoms) for each in by_read]
        by_sent: Features = {}
        by_nodes: Features = {}
        by_harmonics, by_places, by_counts = torch.zeros_like(harmonics), [], []
        for back, read_here in zip(reversed(backs), reversed(_by_layer(layers, flat)), strict=True):
            by_sent, by_nodes, along, by_place, by_count = back(_sum(read_here, by_nodes), by_sent)
            by_harmonics = by_harmonics + along
            by_places.append(by_place)
            by_counts += [] if by_count is None else [by_count]
        return by_harmonics, *reversed(by_places), *reversed(by_counts)

    return tuple(read), all_back


def _layer(
    layer: FrozenLayer,
    sent: Features,
    nodes: Features,
    order: Order,
    walk: Walk,
    places: Float[Tensor, "E"],
    count: Float[Tensor, "A"] | None,
    first: bool,
) -> tuple[Features, Features, LayerBack]:
    """Features behind a layer, what its atoms send to the next, and the way back; of the first one to the edges only."""
    maps, splined, contraction = layer.maps, layer.splined, layer.contraction
    groups, atoms = order.groups, len(order.atoms)
    assert isinstance(contraction, Polynomials)
    x = torch.cat([sent[irrep] for irrep in splined.sent], dim=1)
    collected, from_collected = splined.step(walk, layer.tables.array, x, walk.harmonics, places, by_sent=not first)
    messages = mapped(maps.down, splined.parted(collected, atoms), groups)
    if count is not None:
        messages = {irrep: each / count[:, None, None] for irrep, each in messages.items()}
    joined = contraction.joined(mapped(maps.mix, messages, groups) if maps.mix else messages)
    flat, from_products = contraction.step(contraction.kinds(order.elements), joined)
    products = contraction.parted(flat, atoms)
    features = _sum(mapped(maps.linear, products, groups), mapped(maps.residual, nodes, groups))
    onward = mapped(maps.directly, products, groups) if maps.directly else mapped(maps.next_up, features, groups)
    before = messages if count is not None else {}

    def back(by_features: Features, by_onward: Features) -> Slopes:
        if not maps.directly:
            by_features = _sum(by_features, mapped_back(maps.next_up, by_onward, groups))
        by_products = _sum(mapped_back(maps.linear, by_features, groups), mapped_back(maps.directly, by_onward, groups))
        (by_joined,) = from_products(_flat(by_products, contraction.outputs, joined))
        by_messages = _cut(by_joined, contraction.inputs)
        if maps.mix:
            by_messages = mapped_back(maps.mix, by_messages, groups)
        by_count = None
        if count is not None:
            by_messages = {irrep: each / count[:, None, None] for irrep, each in by_messages.items()}
            each_irrep = [(before[irrep] * each).sum(dim=(1, 2)) for irrep, each in by_messages.items()]
            by_count = -torch.stack(each_irrep).sum(dim=0)
        by_collected = mapped_back(maps.down, by_messages, groups)
        by_x, by_harmonics, by_places = from_collected(torch.cat([each.flatten() for each in by_collected.values()]))
        if by_x is None:
            return {}, {}, by_harmonics, by_places, by_count
        by_nodes = mapped_back(maps.residual, by_features, groups)
        return _cut(by_x, splined.sent), by_nodes, by_harmonics, by_places, by_count

    return features, onward, back


def _by_layer(layers: Sequence[FrozenLayer], flat: Sequence[Tensor | None]) -> list[Features]:
    """Features behind each layer from all of them in a row, as far as they are there."""
    rest, found = iter(flat), []
    for layer in layers:
        each = {irrep: next(rest) for irrep in layer.read}
        found.append({irrep: x for irrep, x in each.items() if x is not None})
    return found


def _sum(one: Features, other: Features) -> Features:
    both = {irrep: x + other[irrep] for irrep, x in one.items() if irrep in other}
    return {**one, **other, **both}


def _cut(joined: Float[Tensor, "A D C"], irreps: Irreps) -> Features:
    """Components side by side as irreps again; there may be more behind them."""
    sizes = [2 * degree(irrep) + 1 for irrep in irreps]
    return dict(zip(irreps, joined[:, : sum(sizes)].split(sizes, dim=1), strict=True))


def _flat(slopes: Features, irreps: Irreps, like: Float[Tensor, "A D C"]) -> Float[Tensor, "N"]:
    """All irreps one after another; zero where nothing depends on one."""
    atoms, _, channels = like.shape
    parts = [
        slopes[irrep].flatten() if irrep in slopes else like.new_zeros(atoms * (2 * degree(irrep) + 1) * channels)
        for irrep in irreps
    ]
    return torch.cat(parts)
