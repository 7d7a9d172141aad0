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


class UnreadableFile(MlzooError, ValueError):
    """A file that is missing, corrupt, or in no format that an installed plugin reads."""


class UnsafePickle(UnreadableFile):
    """A pickle that names something other than tensors and plain records."""


class PluginError(MlzooError, LookupError):
    """An architecture whose plugin is missing, broken, or made for another version of mlzoo."""


class UnsupportedDevice(MlzooError, ValueError):
    """A device that is absent or cannot do what was asked of it."""


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
