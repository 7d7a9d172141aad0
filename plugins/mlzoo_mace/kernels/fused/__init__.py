"""What MACE computes for each edge and for each atom, as NVIDIA's cuEquivariance fuses it on a GPU (`mlzoo[cueq]`)."""

import logging
from importlib.util import find_spec

log = logging.getLogger("mlzoo")


def installed() -> bool:
    """Whether cuEquivariance and its kernels are here; one that does not start is told of, and the plain form answers."""
    if not find_spec("cuequivariance_torch"):
        return False
    try:
        import cuequivariance_ops_torch  # noqa: F401
    except ImportError as error:
        log.warning(
            "cuEquivariance is installed, but its kernels do not start (%s). Install those for the CUDA that PyTorch has, "
            "cuequivariance-ops-torch-cu12 or -cu13; until then the plain form answers.",
            error,
        )
        return False
    return True
