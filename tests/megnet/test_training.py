"""What a MEGNet knows of elements before it learns."""

import numpy as np
import pytest
import torch

from mlzoo_megnet.config import MEGNetConfig
from mlzoo_megnet.model import MEGNet
from mlzoo_megnet.training import TRAINING, properties_of

ELEMENTS = (1, 3, 6, 8, 9, 18, 19, 26, 79)


def test_properties_have_mean_zero_and_deviation_one():
    table = properties_of(ELEMENTS)
    known = np.delete(table, ELEMENTS.index(18), axis=0)[:, 6]  # electronegativity, which argon has none of
    np.testing.assert_allclose(np.delete(table, 6, axis=1).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.delete(table, 6, axis=1).std(axis=0), 1, atol=1e-6)
    assert known.mean() == pytest.approx(0, abs=1e-6)
    assert known.std() == pytest.approx(1, abs=1e-6)


def test_order_of_elements_is_that_of_nature():
    mass, _, radius, group, row, _, electronegativity, ionisation = properties_of(ELEMENTS).T
    assert np.all(np.diff(mass[[0, 1, 2, 3, 4, 7, 8]]) < 0)  # 1/sqrt(mass): hydrogen vibrates fastest
    assert ELEMENTS[radius.argmax()] == 19
    assert ELEMENTS[group.argmax()] == 18
    assert ELEMENTS[row.argmax()] == 79
    assert ELEMENTS[electronegativity.argmax()] == 9
    assert electronegativity[ELEMENTS.index(18)] == 0
    assert ELEMENTS[ionisation.argmax()] == 9
    assert ELEMENTS[ionisation.argmin()] == 19


def test_what_is_the_same_for_all_elements_is_zero():
    assert not properties_of([8]).any()


@pytest.mark.parametrize("width", [3, 8, 11])
def test_rows_of_the_embedding_begin_with_the_properties_of_their_elements(width):
    torch.manual_seed(0)
    plain = MEGNet(MEGNetConfig(elements=ELEMENTS, node_width=width))
    torch.manual_seed(0)
    model = MEGNet(MEGNetConfig(elements=ELEMENTS, node_width=width))
    TRAINING.prepare(model, None)
    embedding, known = model.network.node_embedding.weight, min(width, 8)
    np.testing.assert_array_equal(embedding[:, :known].detach(), properties_of(ELEMENTS)[:, :known])
    torch.testing.assert_close(embedding[:, known:], plain.network.node_embedding.weight[:, known:])
    assert embedding.requires_grad


def test_every_element_has_properties():
    assert np.isfinite(properties_of(range(1, 119))).all()
