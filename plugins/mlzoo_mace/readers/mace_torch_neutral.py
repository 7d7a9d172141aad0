"""The neutral format of mace-torch 1: tensors as safetensors, and JSON that says what they are. Not read yet.

It is announced (github.com/ACEsuit/mace, issues 1565 and 1586) and no released version writes it. A draft has ``"format":
"mace-v1-checkpoint"`` in the JSON, which is what is recognised. Without a file to compare with, a reader would be a guess.
"""

from __future__ import annotations

from pathlib import Path

from mlzoo.errors import UnreadableFile
from mlzoo.plugin import ReadWeights


def read(path: Path) -> ReadWeights:
    """Refuse it. Raises :class:`UnreadableFile`."""
    raise UnreadableFile(
        f"{path} is in the neutral format of mace-torch 1 (safetensors and JSON), of which mlzoo's authors have seen no "
        "file: it is not read yet. Load the .model file that it was converted from, and please open an issue."
    )
