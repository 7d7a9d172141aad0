"""Convolution and contraction as cuEquivariance's polynomials: the plain form's numbers, here by its own plain PyTorch."""

from __future__ import annotations

import pytest
import torch

import mlzoo
from mlzoo.derivatives import evaluate
from mlzoo_mace.kernels import fused
from mlzoo_mace.kernels.fused.form import FusedMace
from tests.mace.test_inference_form import PROPERTIES
from tests.mace.test_kernels import crystal_and_molecule
from tests.mace.test_training import designed

NETWORKS = {
    "scalar senders": {"hidden_degree": 0, "layers": 2},
    "vector senders": {"hidden_degree": 1, "max_l": 2},
    "tensor senders, products of two": {"hidden_degree": 2, "max_l": 2, "correlation": 2},
    "without inversion": {"hidden_degree": 1, "max_l": 2, "correlation": 2, "inversion": False},
}


@pytest.mark.parametrize("numbers", NETWORKS.values(), ids=NETWORKS)
def test_numbers_of_the_plain_form(numbers):
    plain = designed(**numbers).double()
    graph = crystal_and_molecule(plain)
    form = FusedMace(plain)
    expected, found = (evaluate(each, graph, PROPERTIES) for each in (plain, form))
    for name in PROPERTIES:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-10 * float(expected[name].abs().max()))
    assert form.kernels.startswith("cuequivariance 0.")


def test_learns_as_the_plain_form():
    plain = designed(hidden_degree=1, max_l=2, correlation=2).double()
    graph = crystal_and_molecule(plain)
    gradients = []
    for each in (plain, FusedMace(plain)):
        plain.zero_grad()
        evaluate(each, graph, ["forces"], create_graph=True)["forces"].square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in plain.parameters() if parameter.grad is not None])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_kernels_that_do_not_start_are_told_of(tmp_path, monkeypatch, caplog):
    (tmp_path / "cuequivariance_ops_torch.py").write_text("raise ImportError('libnvrtc.so.12 is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not fused.installed()
    assert "libnvrtc.so.12 is missing" in caplog.text
    assert "the plain form answers" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.skipif(not fused.installed(), reason="needs mlzoo[cueq]")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_answers_on_a_gpu(dtype):
    model = mlzoo.load("mace-xtb-organic", device="cuda", dtype=dtype)
    assert "uniform_1d" in model.provenance["kernels"]
