"""Radial bases and cutoffs against SciPy, quadrature and their own claims."""

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from mlzoo.nn.cutoffs import quintic_cutoff
from mlzoo.nn.radial import BesselBasis, SmoothBesselBasis, spherical_bessel_roots

CUTOFF = 5.0  # Å


def gram(basis, weight):
    """∫ f_i f_j weight dr over [0, cutoff], by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    r = torch.from_numpy((nodes + 1) * CUTOFF / 2)
    values = basis(r)
    return values.T @ (values * (torch.from_numpy(weights) * CUTOFF / 2 * weight(r))[:, None])


def derivatives(function, at):
    """Value and first two derivatives of each column at one distance."""
    r = torch.tensor([at], dtype=torch.float64)
    first = torch.func.jacfwd(function)
    return function(r), first(r).squeeze(), torch.func.jacfwd(first)(r).squeeze()


def test_roots_are_zeros_of_the_spherical_bessel_functions():
    roots = spherical_bessel_roots(6, 8).numpy()
    for degree, row in enumerate(roots):
        np.testing.assert_allclose(spherical_jn(degree, row), 0, atol=1e-14)
        assert (np.diff(row) > 0).all()
    # Abramowitz and Stegun, table 10.6: the first roots of j_1, j_2 and j_3
    np.testing.assert_allclose(roots[1:4, 0], [4.493409, 5.763459, 6.987932], atol=1e-6)


def test_spherical_bessel_functions_are_those_of_scipy():
    lengths = np.linspace(0.8, 5.0, 50)
    found = BesselBasis(5, 3, CUTOFF)(torch.from_numpy(lengths)).numpy()
    for degree, roots in enumerate(spherical_bessel_roots(5, 3).numpy()):
        for n, root in enumerate(roots):  # normalised: the integral of (j_l(zr/c) r)² over [0, c] is c³ j_(l+1)(z)²/2
            norm = np.sqrt(2 / CUTOFF**3) / abs(spherical_jn(degree + 1, root))
            expected = norm * spherical_jn(degree, root * lengths / CUTOFF)
            np.testing.assert_allclose(found[:, 3 * degree + n], expected, atol=1e-11)


def test_bessel_functions_of_each_degree_are_orthonormal_under_r_squared():
    basis = BesselBasis(3, 4, CUTOFF)
    products = gram(basis, lambda r: r**2)
    for block in range(3):
        rows = slice(4 * block, 4 * block + 4)
        torch.testing.assert_close(products[rows, rows], torch.eye(4, dtype=torch.float64), atol=1e-7, rtol=0)


def test_bessel_functions_vanish_at_the_cutoff_and_beyond():
    basis = BesselBasis(3, 4, CUTOFF)
    torch.testing.assert_close(basis(torch.tensor([CUTOFF, 6.0])), torch.zeros(2, 12), atol=1e-6, rtol=0)


def test_smooth_functions_are_orthonormal_under_r_squared():
    products = gram(SmoothBesselBasis(6, CUTOFF), lambda r: r**2)
    torch.testing.assert_close(products, torch.eye(6, dtype=torch.float64), atol=1e-7, rtol=0)


def test_smooth_functions_and_two_derivatives_vanish_at_the_cutoff():
    for value in derivatives(SmoothBesselBasis(5, CUTOFF), CUTOFF):
        torch.testing.assert_close(value, torch.zeros_like(value), atol=1e-12, rtol=0)


def test_the_quintic_cutoff_falls_from_one_to_zero_with_two_derivatives_zero_at_the_end():
    assert quintic_cutoff(torch.tensor([0.0, 5.0, 7.0]), CUTOFF).tolist() == [1, 0, 0]
    for value in derivatives(lambda r: quintic_cutoff(r, CUTOFF), CUTOFF - 1e-9):
        assert value.abs().max() < 1e-6


@pytest.mark.parametrize("basis", [BesselBasis(2, 3, CUTOFF), SmoothBesselBasis(3, CUTOFF)])
def test_float32_sees_the_same_functions(basis):
    r = torch.linspace(0.5, 4.9, 20, dtype=torch.float64)
    torch.testing.assert_close(basis(r.float()).double(), basis(r), atol=1e-5, rtol=1e-5)
    assert basis(r.float()).dtype == torch.float32
