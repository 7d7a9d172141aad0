"""The pickles of published weights, read without running them."""

import json

import torch

from mlzoo.inert_pickle import Record, load

MATGL = ("matgl.data.transformer.Normalizer",)
MACE = (
    "mace.*",
    "e3nn.*",
    "torch.nn.*",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.fx._symbolic_trace.Tracer",
)


def test_matgl_weights_are_what_torch_reads(shared):
    folders = sorted(path.parent for path in shared.glob("weights/matgl/*/state.pt"))
    assert len(folders) == 12
    for folder in folders:
        expected, found = torch.load(folder / "state.pt", "cpu", weights_only=True), load(folder / "state.pt")
        assert list(found) == list(expected), folder
        for key, tensor in expected.items():
            assert found[key].dtype == tensor.dtype
            assert found[key].equal(tensor), (folder, key)
        named = json.loads((folder / "model.json").read_text())["kwargs"]["model"]["@class"]
        assert load(folder / "model.pt", MATGL)["model"]["@class"] == named


def test_matgl_normalizer(shared):
    arguments = load(shared / "weights/matgl/MEGNet-MP-2018.6.1-Eform/model.pt", MATGL)
    (normalizer,) = (value for value in arguments.values() if isinstance(value, Record))
    assert {key: round(float(value), 8) for key, value in normalizer.state.items()} == {
        "mean": -1.65459073,
        "std": 1.07266128,
    }


def state_dict(module: Record, prefix: str = "") -> dict[str, torch.Tensor]:
    """What ``Module.state_dict()`` returns, from the record of a module."""
    state = module.args[0] if module.name.endswith("reduce_graph_module") else module.state
    own = {**state["_parameters"], **state["_buffers"]}
    hidden = state.get("_non_persistent_buffers_set", ())
    found = {prefix + key: value for key, value in own.items() if value is not None and key not in hidden}
    for key, child in state["_modules"].items():
        found |= state_dict(child, f"{prefix}{key}.")
    return found


def test_mace_models_hold_the_tensors_they_declare(shared):
    paths = sorted(shared.glob("weights/mace-torch/*.model"))
    assert len(paths) == 11
    for path in paths:
        card = json.loads(path.with_suffix(".json").read_text())
        model = load(path, MACE)
        assert model.name == f"mace.modules.models.{card['cls']}"
        found = {key: [list(t.shape), str(t.dtype).removeprefix("torch.")] for key, t in state_dict(model).items()}
        assert found == {key: value for key, value in card["state_dict"].items() if "._compiled_main" not in key}, path


def test_old_mace_models_hold_finite_tensors(shared):
    paths = sorted(shared.glob("weights/mace-real/*.model"))
    assert len(paths) == 5
    for path in paths:
        tensors = state_dict(load(path, MACE))
        assert tensors["atomic_numbers"].tolist() == [1, 6, 8]
        assert tensors["node_embedding.linear.weight"].dtype == torch.float64
        assert all(tensor.isfinite().all() for tensor in tensors.values())
