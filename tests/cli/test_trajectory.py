"""A .traj holds whole frames only, wherever its writing was broken off."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from mlzoo.cli.trajectory import growing


class BreaksOff(SinglePointCalculator):
    """Ctrl-C when the positions are written and the rest is not."""

    def get_property(self, name, atoms=None, allow_calculation=True):
        raise KeyboardInterrupt


def test_a_frame_that_is_broken_off_is_not_in_it(tmp_path):
    file = tmp_path / "run.traj"
    frame, broken = molecule("H2O"), molecule("H2O")
    broken.calc = BreaksOff(broken, energy=0.0)
    with growing(file, {}, anew=True) as append:
        append(frame)
        with pytest.raises(KeyboardInterrupt):
            append(broken)
    assert len(read(file, ":")) == 1
    with growing(file, {}, anew=False) as append:
        append(frame)
    for atoms in read(file, ":"):
        np.testing.assert_array_equal(atoms.numbers, frame.numbers)
        np.testing.assert_array_equal(atoms.positions, frame.positions)
