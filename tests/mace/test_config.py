"""No choice is half served: every value of an enumerated field changes the energy, and what no code serves is refused."""

from __future__ import annotations

import copy
import typing
from typing import Any, Literal

import pytest
import torch
from ase.build import bulk
from pydantic import BaseModel, ValidationError

from mlzoo.graph import graph_from_structure
from mlzoo_mace import build
from mlzoo_mace.config import MaceConfig
from mlzoo_mace.training import TRAINING
from tests.mace.test_training import KNOWN

PERCEPTRON = {"hidden": (4,), "activation": {"function": "silu"}}
CHARGE, TEMPERATURE = {"condition": "charge", "classes": 3, "offset": 1}, {"condition": "temperature", "hidden": 3}


def fields(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A small network of two layers with other values in some places, ``layers.1.residual`` for example."""
    small = {"channels": 4, "max_l": 1, "correlation": 2, "radial_hidden": (4,), "readout_hidden": 3}
    config = MaceConfig.model_validate(TRAINING.complete(small, KNOWN)).model_dump()
    for place, value in (changes or {}).items():
        *path, last = (int(name) if name.isdigit() else name for name in place.split("."))
        inner: Any = config
        for name in path:
            inner = inner[name]
        inner[last] = copy.deepcopy(value)
    return config


def energy(changes: dict[str, Any] | None = None) -> float:
    torch.manual_seed(0)
    model = build(MaceConfig.model_validate(fields(changes))).double()
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    TRAINING.prepare(model, KNOWN)
    silicon = bulk("Si", cubic=True, a=4.2)  # within reach of the repulsion
    silicon.numbers[::2] = 8
    silicon.rattle(0.1, seed=0)
    silicon.info = {condition.name: 0.5 for condition in model.conditions if condition.name == "temperature"}
    return float(model(graph_from_structure(silicon, model.cutoff, conditions=model.conditions))["energies"].sum())


BESSEL_ON_RADII = {"kind": "agnesi", "a": 1.1, "q": 0.9, "p": 4.6}
SERVED = {  # each value of an enumerated field but the default one, and where it stands
    "Activation.function": [
        ("layers.1.readout.activation.function", value)
        for value in ("tanh", "relu", "elu", "sigmoid", "abs", "identity")
    ],
    "PolynomialEnvelope.kind": [("radial.envelope", {"kind": "polynomial", "power": 3})],
    "SoftEnvelope.kind": [("radial.envelope", {"kind": "soft"})],
    "Bessel.kind": [("radial.functions", {"kind": "gaussian", "width": 0.6})],
    "Gaussian.kind": [("radial.functions", {"kind": "gaussian", "width": 0.5})],
    "Chebyshev.kind": [("radial.functions", {"kind": "chebyshev"})],
    "Agnesi.kind": [("radial.transform", BESSEL_ON_RADII)],
    "SoftTransform.kind": [("radial.transform", {"kind": "soft"})],
    "Radial.envelope_on": [("radial.envelope_on", "weights")],
    "Layer.residual": [("layers.1.residual", value) for value in ("none", "linear")],
    "Contraction.kind": [("layers.1.contraction.by_element", False)],
    "GauntContraction.kind": [("layers.1.contraction", {"kind": "gaunt", "order": 2})],
}
SWITCHES = [  # everything that is on or off
    ("inversion", None),
    ("radial.amplitude", 0.5),
    ("layers.0.radial_mlp.bias", True),
    ("layers.0.radial_mlp.layer_norm", True),
    ("layers.0.radial_mlp.elements", True),
    ("layers.1.radial_mlp.features", True),
    ("layers.0.pair_factors", True),
    ("layers.0.density", PERCEPTRON),
    ("layers.0.gate", {"scalars": {"function": "silu"}, "gates": {"function": "sigmoid"}}),
    ("layers.0.mix_elements", True),
    ("layers.0.node_gates", True),
    ("layers.0.soft_norm", 0.5),
    ("layers.0.readout", None),
    ("layers.1.readout", {"hidden": 3, "layers": 2, "bias": True}),
    ("embedding", {"joint": {"function": "silu"}}),
    ("embedding", {"joint": {"function": "silu"}, "conditions": [CHARGE]}),
    ("embedding", {"joint": {"function": "silu"}, "conditions": [TEMPERATURE]}),
    ("embedding", {"readout": True}),
    ("zbl", {"prefactor": 0.24, "exponent": 0.3, "power": 5}),
]


def enumerated(kind: type[BaseModel] = MaceConfig) -> dict[str, tuple[str, ...]]:
    """Each field of a config that lists its values, and these."""
    found: dict[str, tuple[str, ...]] = {}
    for name, annotation in typing.get_type_hints(kind).items():
        parts, inner = [annotation], []
        while parts:
            part = parts.pop()
            inner.append(part)
            parts += typing.get_args(part) if typing.get_origin(part) is not Literal else ()
        for part in inner:
            if typing.get_origin(part) is Literal:
                found[f"{kind.__name__}.{name}"] = typing.get_args(part)
            elif isinstance(part, type) and issubclass(part, BaseModel):
                found |= enumerated(part)
    return found


def test_every_enumerated_field_is_tried():
    assert enumerated().keys() == SERVED.keys()
    for name in ("Activation.function", "Radial.envelope_on", "Layer.residual"):
        tried = {value for _, value in SERVED[name]}
        assert len(tried) == len(enumerated()[name]) - 1
        assert tried < set(enumerated()[name])


BASE: list[float] = []


@pytest.mark.parametrize(
    ("place", "value"), [*(case for cases in SERVED.values() for case in cases), *SWITCHES], ids=lambda x: str(x)[:40]
)
def test_what_is_chosen_changes_the_energy(place, value):
    if not BASE:
        BASE.append(energy())
    changes = {place: value}
    if place == "inversion":  # which takes other irreps besides
        changes = {"inversion": False, "layers.0.messages": ("0e", "1e"), "layers.1.messages": ("0e", "1e")}
        changes |= {
            f"layers.{layer}.{name}": ("0e", "1e") for layer, name in ((0, "outputs"), (1, "inputs"), (1, "up"))
        }
        contraction = fields()["layers"][0]["contraction"]
        for coupling in contraction["couplings"]:
            coupling["irrep"] = coupling["irrep"].replace("o", "e")
        changes["layers.0.contraction"] = contraction
    found = energy(changes)
    assert abs(found) < float("inf")
    assert abs(found - BASE[0]) > 1e-9 * abs(BASE[0])


REFUSED = {
    "function": ({"layers.1.readout.activation.function": "gelu"}, "'silu', 'tanh', 'relu'"),
    "envelope": ({"radial.envelope": {"kind": "cosine"}}, "'polynomial', 'soft'"),
    "envelope's exponent": ({"radial.envelope": {"kind": "polynomial", "power": 0}}, "greater than or equal to 1"),
    "radial functions": ({"radial.functions": {"kind": "splines"}}, "'bessel', 'gaussian', 'chebyshev'"),
    "transform": ({"radial.transform": {"kind": "log"}}, "'agnesi', 'soft'"),
    "place of the envelope": ({"radial.envelope_on": "both"}, "'basis' or 'weights'"),
    "residual": ({"layers.1.residual": "all"}, "'none', 'elements' or 'linear'"),
    "contraction": ({"layers.1.contraction": {"kind": "dense"}}, "'symmetric', 'gaunt'"),
    "unknown": ({"layers.1.attention": True}, "Extra inputs are not permitted"),
    "ends without a hidden layer": (
        {"layers.1.radial_mlp": {"hidden": (), "features": True}},
        "features=True needs a hidden layer",
    ),
    "two kinds of ends": ({"layers.1.radial_mlp": {"features": True, "elements": True}}, "not read together"),
    "bias of a linear readout": ({"layers.0.readout": {"bias": True}}, "Say how wide it is in `hidden`"),
    "conditions without a way in": ({"embedding": {"conditions": [CHARGE]}}, "enter through `joint`"),
    "a condition twice": (
        {"embedding": {"joint": {}, "conditions": [CHARGE, {**TEMPERATURE, "condition": "charge"}]}},
        "each name once",
    ),
    "a head embedded": ({"embedding": {"joint": {}, "conditions": [{**CHARGE, "condition": "head"}]}}, "none of them"),
    "no readout": ({"layers.0.readout": None, "layers.1.readout": None}, "there is no energy"),
    "no scalars to read": ({"layers.1.outputs": ("1o",)}, "no 0e, which a readout"),
    "what is not there is sent": ({"layers.1.up": ("0e", "1e")}, r"1e, which inputs=\('0e', '1o'\) do not have"),
    "vectors to begin with": ({"layers.0.inputs": ("0e", "1o")}, "what is embedded are scalars"),
    "an irrep twice": ({"layers.0.messages": ("0e", "0e")}, "each once"),
    "gate without scalars": (
        {"layers.0.messages": ("1o",), "layers.0.gate": {"scalars": {}, "gates": {}}},
        "no 0e, which a gate needs",
    ),
    "two maps": (
        {"layers.0.gate": {"scalars": {}, "gates": {}}, "layers.0.mix_elements": True},
        "gate and mix_elements are both",
    ),
    "pseudovectors on a sphere": (
        {"layers.0.messages": ("0e", "1e"), "layers.0.contraction": {"kind": "gaunt", "order": 2}},
        "irreps are 0e, 1o, 2e",
    ),
    "heads": ({"heads": ("a", "a"), "default_head": "a"}, "each name once"),
    "no heads": ({"heads": (), "default_head": None}, "at least 1 item"),
    "soft normalisation": ({"layers.0.soft_norm": 0.0}, "greater than 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_code_serves_is_refused_by_name(case):
    changes, reason = REFUSED[case]
    with pytest.raises(ValidationError, match=reason):
        MaceConfig.model_validate(fields(changes))


def test_messages_that_nothing_leads_to_are_refused():
    config = MaceConfig.model_validate(fields({"layers.0.messages": ("0e", "1o", "1e")}))
    with pytest.raises(ValueError, match=r"1e, which up=.* do not give"):
        build(config)
