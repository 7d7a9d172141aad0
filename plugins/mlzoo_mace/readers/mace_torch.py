"""``.model`` files of mace-torch 0.3.6 to 0.3.16: the pickle of a whole network, of which nothing is run.

What the network is stands in the classes and attributes of its modules, not in its tensors; both are read from the
pickle as plain data. Whatever the file holds and nothing here asks for is refused by name.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from mlzoo import inert_pickle
from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights
from mlzoo_mace.config import (
    ZBL,
    Activation,
    Agnesi,
    Bessel,
    Charges,
    Chebyshev,
    Embedding,
    Gaussian,
    IrrepName,
    Layer,
    MaceConfig,
    PolynomialEnvelope,
    Radial,
    Readout,
    SoftTransform,
    TensorReadout,
    natural,
)
from mlzoo_mace.readers.e3nn_maps import Tensors, irreps, scalars, under
from mlzoo_mace.readers.mace_torch_dielectric import (
    FIXED_CHARGES,
    OUTPUTS,
    Outputs,
    read_basis,
    read_dielectric_readout,
)
from mlzoo_mace.readers.mace_torch_embedding import read_conditions
from mlzoo_mace.readers.mace_torch_layers import read_layer
from mlzoo_mace.readers.mace_torch_products import read_readout
from mlzoo_mace.readers.sniffs import class_of
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood, said

MODELS = ("MACE", "ScaleShiftMACE", *OUTPUTS)
LONG_RANGE = {  # classes whose energy has a part that our networks do not have, and where it is computed
    "PolarMACE": "charges and multipoles of the atoms and their field over all distances. mace-torch computes it, "
    "`mace_polar`; of charge and spin `mace-omol-0-extra-large` knows too, within its cutoff",
    "MACELES": "latent charges and their Ewald sum. mace-torch computes it, with the package `les`",
}
RECORDS = (
    *("mace.modules.*", "e3nn.*", "torch.nn.*"),
    *("torch.fx.graph_module.reduce_graph_module", "torch.fx._symbolic_trace.Tracer"),
    *("builtins.getattr", "torch._C._VariableFunctionsClass"),  # how torch.tanh is written; it stays a record
)
BASES = ("BesselBasis", "GaussianBasis", "ChebychevBasis")
MAX_L = 6
BOHR = 0.529  # Å, as mace-torch has it
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, RecursionError)


def read(path: Path) -> ReadWeights:
    """Read a file. Raises :class:`UnreadableFile` for what is none, or holds what our networks cannot express."""
    kind = class_of(path)
    if kind in LONG_RANGE:
        raise UnreadableFile(
            f"{path} is a model of the class {kind}, which mlzoo does not read: it has {LONG_RANGE[kind]}."
        )
    record = inert_pickle.load(path, records=RECORDS)
    try:
        model = Module(record)
        config, state, dtype = _read(model)
    except NotUnderstood as error:
        raise UnreadableFile(f"{path}: {error}. If such a model should be read, please open an issue.") from None
    except MALFORMED as error:
        raise UnreadableFile(
            f"{path} is no mace-torch model as we know them ({type(error).__name__}: {str(error)[:500]}). "
            "Compare its size and sha256 with those of the source."
        ) from error
    notices = (FIXED_CHARGES,) if config.dipole and not config.charges else ()
    return ReadWeights(config, state, {"sha256": {path.name: sha256(path)}, "class": model.kind}, notices, dtype)


def _read(model: Module) -> tuple[MaceConfig, Tensors, str]:
    if model.kind not in MODELS:
        raise NotUnderstood(f"a model of the class {model.kind}; mlzoo reads {', '.join(MODELS)}")
    dtype = model.child("node_embedding", "LinearNodeEmbeddingBlock").child("linear", "Linear").dtype("weight")
    elements = tuple(model.tensor("atomic_numbers").tolist())
    heads = tuple(model.says("heads", ["Default"]))
    inversion = not model.says("use_so3", False)
    radial, radial_state = _radial(model, elements)
    embedding, state = _embedding(model, len(heads))
    state |= under("radial", radial_state)
    outputs = OUTPUTS.get(model.kind)
    if outputs is None or outputs.energy:
        state |= under("table", _table(model, len(heads), len(elements)))
    if outputs and outputs.polarizability:
        state |= read_basis(model)
    layers: list[Layer] = []
    for index, (interaction, product, block) in enumerate(_layers(model)):
        readout, tensor_readouts, read = _readouts(block, len(heads), outputs)
        given = layers[-1].outputs if layers else natural(0)
        layer, layer_state = read_layer(interaction, product, readout, tensor_readouts, len(elements), given)
        layers.append(layer)
        state |= under(f"layers.{index}", layer_state)
        for name, tensor in read.items():
            part, _, rest = name.partition(".")
            state[f"{part}.{index}.{rest}"] = tensor
    zbl, zbl_state = _zbl(model, elements) if model.has("pair_repulsion_fn") else (None, {})
    config = MaceConfig(
        elements=elements,
        cutoff=model.number("r_max"),
        max_l=_max_l(model, inversion),
        inversion=inversion,
        rounded_symbols=dtype == "float32",
        heads=heads,
        default_head=_default(heads),
        radial=radial,
        embedding=embedding,
        layers=tuple(layers),
        zbl=zbl,
        energy=outputs is None or outputs.energy,
        charges=Charges() if outputs and outputs.charges else None,
        dipole=outputs is not None,
        polarizability=outputs is not None and outputs.polarizability,
    )
    ignored = next(model.unread(), None)
    if ignored is not None:
        raise NotUnderstood(f"it has {ignored}, which mlzoo does not know")
    return config, state | under("zbl", zbl_state), dtype


def _layers(model: Module) -> list[tuple[Module, Module, Module | None]]:
    """Interactions with their products and readouts; a single readout reads the last layer."""
    interactions, products = model.children("interactions"), model.children("products")
    readouts: list[Module | None] = [*model.children("readouts")]
    while len(readouts) < len(interactions):
        if len(model.children("readouts")) != 1:
            raise NotUnderstood(f"{len(readouts)} readouts of {len(interactions)} layers")
        readouts.insert(0, None)
    return list(zip(interactions, products, readouts, strict=True))


def _readouts(
    block: Module | None, heads: int, outputs: Outputs | None
) -> tuple[Readout | None, dict[IrrepName, TensorReadout], Tensors]:
    """Of a layer; tensors under ``readouts`` and ``tensor_readouts``."""
    if block is None:
        return None, {}, {}
    if outputs:
        return read_dielectric_readout(block, outputs)
    readout, state = read_readout(block, heads)
    return readout, {}, under("readouts", state)


def _default(heads: tuple[str, ...]) -> str | None:
    """The head that is meant where none is named: the only one, or the one that is called so."""
    if len(heads) == 1:
        return heads[0]
    return next((head for head in heads if head.lower() == "default"), None)


def _max_l(model: Module, inversion: bool) -> int:
    module = model.child("spherical_harmonics", "SphericalHarmonics")
    module.demand("normalize", True)
    module.demand("normalization", "component")
    max_l = module.says("_lmax")
    if max_l not in range(MAX_L + 1):
        raise NotUnderstood(f"{module.path} go up to degree {said(max_l)}; mlzoo reads up to {MAX_L}")
    expected = [(1, irrep) for irrep in natural(max_l, inversion)]
    for each in (module.says("irreps_out"), *(x.says("edge_attrs_irreps") for x in model.children("interactions"))):
        if irreps(each) != expected:
            raise NotUnderstood(f"{module.path} are not those of all degrees up to {max_l}")
    return max_l


def _radial(model: Module, elements: tuple[int, ...]) -> tuple[Radial, Tensors]:
    module = model.child("radial_embedding", "RadialEmbeddingBlock")
    functions, count, amplitude, state = _functions(module.child("bessel_fn", *BASES))
    transform: Agnesi | SoftTransform | None = None
    if module.has("distance_transform"):
        by = module.child("distance_transform", "AgnesiTransform", "SoftTransform")
        if by.kind == "AgnesiTransform":
            transform = Agnesi(a=by.number("a"), q=by.number("q"), p=by.number("p"))
        else:
            transform = SoftTransform(steepness=by.number("alpha"))
        state["radii"] = by.tensor("covalent_radii")[list(elements)]
    radial = Radial(
        count=count,
        functions=functions,
        amplitude=amplitude,
        envelope=PolynomialEnvelope(power=_power(module.child("cutoff_fn", "PolynomialCutoff"))),
        envelope_on="basis" if module.says("apply_cutoff", True) else "weights",
        transform=transform,
    )
    return radial, state


def _functions(basis: Module) -> tuple[Bessel | Gaussian | Chebyshev, int, float, Tensors]:
    """Radial functions, how many, the factor of all, and their tensors."""
    if basis.kind == "BesselBasis":
        frequencies = basis.tensor("bessel_weights")
        return Bessel(), len(frequencies), basis.number("prefactor"), {"frequencies": frequencies}
    if basis.kind == "GaussianBasis":
        centres = basis.tensor("gaussian_weights")
        width = math.sqrt(-0.5 / basis.says("coeff"))
        return Gaussian(width=width), len(centres), 1.0, {"centres": centres}
    degrees = basis.tensor("n").flatten()
    if not torch.equal(degrees, torch.arange(1, len(degrees) + 1).double()):
        raise NotUnderstood(f"{basis.at('n')} are other degrees than 1, 2, ...")
    return Chebyshev(), len(degrees), 1.0, {}


def _power(module: Module) -> int:
    """An exponent, which is an integer or, before 0.3.7 or so, a float."""
    power = module.number("p")
    if power != int(power):
        raise NotUnderstood(f"{module.at('p')} is {power}, which is no whole number")
    return int(power)


def _embedding(model: Module, heads: int) -> tuple[Embedding, Tensors]:
    rows = scalars(model.child("node_embedding", "LinearNodeEmbeddingBlock").child("linear", "Linear"))
    if not model.has("joint_embedding"):
        return Embedding(), {"embedding.element": rows}
    joint = model.child("joint_embedding", "GenericJointEmbedding")
    conditions, state = read_conditions(joint, model.says("embedding_specs"), len(rows))
    readout = model.has("embedding_readout")
    if readout and model.kind == "MACE" and heads > 1:
        raise NotUnderstood("embedding_readout of a plain MACE of several heads fails in mace-torch")
    state = under("embedding", {"element": rows, **state})
    if readout:
        block = model.child("embedding_readout", "LinearReadoutBlock")
        state |= under("embedding_readout", read_readout(block, heads)[1])
    return Embedding(joint=Activation(), conditions=conditions, readout=readout), state


def _table(model: Module, heads: int, elements: int) -> Tensors:
    energies = model.child("atomic_energies_fn", "AtomicEnergiesBlock").tensor("atomic_energies")
    state = {"references": energies.reshape(heads, elements)}
    if model.kind != "ScaleShiftMACE":
        ones = torch.ones(heads, dtype=torch.float64)
        return state | {"scale": ones, "shift": torch.zeros_like(ones)}
    module = model.child("scale_shift", "ScaleShiftBlock")
    return state | {name: module.tensor(name).reshape(heads) for name in ("scale", "shift")}


def _zbl(model: Module, elements: tuple[int, ...]) -> tuple[ZBL, Tensors]:
    module = model.child("pair_repulsion_fn", "ZBLBasis")
    state = {"radii": module.tensor("covalent_radii")[list(elements)], "shares": module.tensor("c")}
    return ZBL(
        prefactor=module.number("a_prefactor") * BOHR, exponent=module.number("a_exp"), power=_power(module)
    ), state
