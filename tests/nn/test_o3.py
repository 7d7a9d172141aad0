"""e3nn without PyTorch's compiler, and with the mark that it sets where there is one."""

import subprocess
import sys

import pytest

START = """
import sys
{before}
from mlzoo.nn import o3
import torch
print("torch._dynamo" in sys.modules, float(o3.wigner_3j(1, 1, 0, dtype=torch.float64)[0, 0, 0]))
import torch._dynamo
from e3nn.o3._wigner import change_basis_real_to_complex as marked
print(float(marked(1).abs().sum()), torch.compiler.disable.__module__)
"""


@pytest.mark.parametrize("before", ["", "import torch._dynamo"])
def test_the_compiler_is_imported_by_those_alone_who_ask_for_it(before):
    code = START.format(before=before)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == str(bool(before))
    assert float(said[1]) == pytest.approx(3**-0.5)
    assert float(said[2]) == pytest.approx(1 + 4 / 2**0.5)
    assert said[3] == "torch.compiler"
