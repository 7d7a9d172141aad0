"""Numbers that must not be rounded: constants and reference energies inside networks of any dtype."""

from torch import nn


class KeepsFloat64(nn.Module):
    """A module whose own buffers stay in float64 under ``.to(dtype)``, ``.float()`` and the like; the device follows.

    So a float32 network that is turned into float64 has constants to float64, and energies of 1e3 eV keep their digits.
    """

    def _apply(self, fn, recurse=True):
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            self._buffers[name] = buffer.to(getattr(self, name).device)
        return self
