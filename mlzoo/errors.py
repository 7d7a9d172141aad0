"""What can go wrong, said to the person at the keyboard: the value, the reason, the next step."""


class MlzooError(Exception):
    """Base of every error that mlzoo raises on purpose."""


class InvalidStructure(MlzooError, ValueError):
    """The structure cannot be evaluated by any model: NaN, overlapping atoms, singular cell, disorder, no atoms."""


class UnsupportedElement(InvalidStructure):
    """The structure contains an element that this model has never seen."""


class InvalidCondition(MlzooError, ValueError):
    """A charge, head, state, ... that the model does not know, or a value it cannot take."""


class UnsupportedProperty(MlzooError, LookupError):
    """A property that the model does not predict, or that this structure does not have."""


class UnknownModel(MlzooError, LookupError):
    """No model, file or folder of that name."""


class InvalidCard(MlzooError, ValueError):
    """A model card whose fields are missing or wrong."""


class RefusedLicense(MlzooError, ValueError):
    """A licence that the policy in force does not let through."""


class DownloadError(MlzooError, LookupError):
    """A weight that could not be fetched: no network, no such repository, no room, a broken transfer."""


class WrongChecksum(MlzooError, ValueError):
    """A file that is not what it was, or not what its card says."""


class BrokenBundle(MlzooError, ValueError):
    """A bundle that is damaged, tampered with, or would write where it must not."""


class PublishError(MlzooError, ValueError):
    """A weight that cannot be published as it is, or a Hub that does not take it."""


class LockMismatch(MlzooError, ValueError):
    """Something that a lock file holds fast is not there, or is another one now."""


class UnreadableFile(MlzooError, ValueError):
    """A file that is missing, corrupt, or in no format that an installed plugin reads."""


class MissingPackage(MlzooError, ImportError):
    """Something that only an optional package can do."""


class UnsafePickle(UnreadableFile):
    """A pickle that names something other than tensors and plain records."""


class VerificationFailed(MlzooError, ValueError):
    """A weight does not give its reference values on this machine, in this dtype, with these kernels."""


class PluginError(MlzooError, LookupError):
    """An architecture whose plugin is missing, broken, or made for another version of mlzoo."""


class UnsupportedDevice(MlzooError, ValueError):
    """A device that is absent or cannot do what was asked of it."""


class InvalidTraining(MlzooError, ValueError):
    """A training run whose settings are wrong, whose data do not fit them, or whose loss is not a number."""


class InvalidSplit(MlzooError, ValueError):
    """A split into training and validation that these examples do not have: too few, no such file, no such fold."""


class DifferentMembers(MlzooError, ValueError):
    """Members of a committee whose energies have different zeros, or are of different levels of theory."""


class UndeclaredUse(MlzooError, ValueError):  # PyTorch swallows a TypeError inside an operator
    """A model read positions or cell without declaring it, so its forces and virial would be wrong."""


class PredictionError(MlzooError, ValueError):
    """One structure of many failed.

    ``index`` is its place in the input, ``reason`` the error behind it.
    """

    def __init__(self, index: int, reason: Exception):
        super().__init__(f"structure {index}: {type(reason).__name__}: {reason}")
        self.index = index
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.index, self.reason)
