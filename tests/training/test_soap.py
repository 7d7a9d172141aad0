"""SOAP follows what a matrix does, whatever basis it is written in; and vectors as Adam does."""

import pytest
import torch

from mlzoo.training.soap import SOAP

EXACT = {"dtype": torch.float64}


def followed(start, loss, steps, kind=SOAP, **options):
    """``loss`` of the parameter and of noise."""
    noise = torch.Generator().manual_seed(1)
    parameter = torch.nn.Parameter(start.clone())
    optimizer = kind([{"params": [parameter], "lr": 0.02}], **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(parameter, 0.3 * torch.randn(start.shape, generator=noise, **EXACT)).backward()
        optimizer.step()
    return parameter.detach()


def problem(m, n):
    """Two matrices that are seen through ill-conditioned ones from either side; and orthogonal ones to turn them by."""
    torch.manual_seed(0)
    turns = [torch.linalg.qr(torch.randn(2, size, size, **EXACT)).Q for size in (m, n)]
    left, right = (turn * torch.logspace(0, -1.5, turn.shape[-1], **EXACT) for turn in turns)
    start = torch.randn(2, m, n, **EXACT)
    return (lambda x, noise: (left.mT @ (x + noise) @ right).square().sum()), start, turns


@pytest.mark.parametrize(("kind", "turns"), [(SOAP, True), (torch.optim.Adam, False)])
def test_turning_a_matrix_turns_its_updates(kind, turns):
    loss, start, (left, right) = problem(5, 5)
    plain = followed(start, loss, 40, kind)
    turned = followed(left @ start @ right.mT, lambda x, noise: loss(left.mT @ x @ right, noise), 40, kind)
    apart = (left.mT @ turned @ right - plain).abs().max()
    assert apart < 1e-6 if turns else apart > 0.1


def test_it_learns_faster_than_adam_where_directions_differ():
    loss, start, _ = problem(6, 4)
    ours, adams = (loss(followed(start, loss, 300, kind, betas=(0.95, 0.99)), 0) for kind in (SOAP, torch.optim.Adam))
    assert ours < 0.5 * adams


def test_mean_squares_of_another_direction_make_no_leap():
    parameter = torch.nn.Parameter(torch.zeros(4, 4, **EXACT))
    optimizer = SOAP([{"params": [parameter], "lr": 1.0}], betas=(0.95, 0.99))
    parameter.grad = torch.randn(4, 4, **EXACT)
    for _ in range(2):
        optimizer.step()
    parameter.grad *= 1e-3
    optimizer.state[parameter]["square"].zero_()
    before = parameter.detach().clone()
    optimizer.step()
    assert (parameter.detach() - before).norm() < 1.7 * 4  # sixteen entries, each by 1.69 at most


def test_vectors_rows_and_columns_are_left_to_adam():
    for shape in [(5,), (1, 5), (3, 5, 1)]:
        start = torch.linspace(1, 2, torch.Size(shape).numel(), **EXACT).reshape(shape)

        def loss(x, noise):
            return (x.exp() * x).sum()

        ours = followed(start, loss, 61, betas=(0.9, 0.99))  # it only looks at its first gradient
        adams = followed(start, loss, 60, torch.optim.Adam, betas=(0.9, 0.99))
        torch.testing.assert_close(ours, adams, rtol=0, atol=1e-12)
