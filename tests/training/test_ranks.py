"""Several processes learn what one would with their batches joined."""

import os
import subprocess
import sys

import torch
import yaml
from ase.io import read, write
from training.runs import labelled, settings


def train(folder, file, **changes):
    """By the command line, as launchers do; the gradient of the only step."""
    said = settings(file, folder / "run", num_epochs=1, **changes)
    said["data"] |= {"validation": {"count": 4}, "batch_size": (changes and 4) or 8}
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(said))
    command = [sys.executable, "-m", "mlzoo", "train", str(folder / "config.yaml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    checkpoint = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert checkpoint["global_step"] == 1
    return [state["exp_avg"] / 0.1 for state in checkpoint["optimizer_states"][0]["state"].values()]


def test_two_processes_have_the_gradient_of_one_with_the_joint_batch(tmp_path):
    """Adam's first moments after one step are a tenth of it; labels are missing on one side more than on the other."""
    frames = read(labelled(tmp_path / "metals.xyz"), ":")
    for atoms in frames[::3]:
        atoms.calc.results.pop("forces")
    write(tmp_path / "some.xyz", frames)
    one, two = train(tmp_path / "one", tmp_path / "some.xyz"), train(tmp_path / "two", tmp_path / "some.xyz", devices=2)
    assert max(float(each.abs().max()) for each in one) > 1e-3
    for ours, theirs in zip(one, two, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-10)
