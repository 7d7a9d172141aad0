"""What the names in a pickle stand for: tensors, arrays, plain containers, and records."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


class ForeignName(Exception):
    """The pickle names something that is neither data nor a record; the message is that name."""


@dataclass(frozen=True)
class Reference:
    """A class or function that the pickle mentions, e.g. ``torch.nn.functional.silu``: its name, nothing else."""

    name: str


@dataclass(eq=False, repr=False, slots=True)
class Record:
    """An object of a foreign class: its name and what was pickled of it, as plain data."""

    name: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    state: Any = None  # most often the dict of attributes
    items: dict = field(default_factory=dict)  # of a subclass of dict
    elements: list = field(default_factory=list)  # of a subclass of list

    def __repr__(self) -> str:
        return f"Record({self.name!r})"  # the state may be large, or contain this record


@dataclass(frozen=True, eq=False, repr=False)
class Storage:
    """The bytes that one or more tensors look at."""

    data: Tensor  # uint8, flat, on the CPU
    dtype: torch.dtype | None  # None: only the tensor knows
    little_endian: bool


DTYPES = {
    f"torch.{name}": getattr(torch, name)
    for name in (
        *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
    )
}
STORAGES = {
    "torch.BoolStorage": torch.bool,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.ShortStorage": torch.int16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
    "torch.UntypedStorage": None,
    "torch.storage.UntypedStorage": None,
}
NUMPY_DTYPES = frozenset(
    ["b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8", "c8", "c16"]
)
BARE_NAMES = frozenset(["builtins.object", "numpy.ndarray", *STORAGES])  # may be mentioned, never called
MAX_DIMENSIONS = 64
MAX_EXPANDED = 2**24  # elements of a tensor that repeats its storage (stride 0)
KEY_TYPES = (str, bytes, int, float, complex, type(None), torch.dtype, Reference, Record)


def check_keys(values) -> None:
    """Keys of dicts and elements of sets: scalars, and short flat tuples of them.

    Hashing a deep tuple exhausts the C stack, and hashing a long one again and again takes for ever.
    """
    for value in values:
        parts = value if type(value) is tuple else (value,)
        if len(parts) > MAX_DIMENSIONS or not all(isinstance(part, KEY_TYPES) for part in parts):
            raise ValueError(f"a {type(value).__name__} that cannot be the key of a dict or the element of a set")


def _counts(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(value) is int and value >= 0 for value in values):
        raise ValueError(f"{what} that is not a tuple of whole numbers from 0")
    return values


def _tensor(storage: object, dtype: torch.dtype | None, offset: object, size: object, stride: object) -> Tensor:
    """A view into a storage, once it is certain that every element lies inside."""
    if not isinstance(storage, Storage) or dtype is None:
        raise ValueError("a tensor without storage or dtype")
    (offset,) = _counts((offset,), "an offset")
    size, stride = _counts(size, "a tensor size"), _counts(stride, "a tensor stride")
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise ValueError(f"a tensor of {len(size)} sizes and {len(stride)} strides")
    available, rest = divmod(storage.data.numel(), dtype.itemsize)
    elements = math.prod(size)
    end = offset + (1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if elements else 0)
    if rest or end > available or max((*size, *stride, 0)) >= 2**63:
        raise ValueError(f"a tensor that reaches element {end} of a storage of {available}")
    if elements > max(available, MAX_EXPANDED):
        raise ValueError(f"a tensor of {elements} elements over a storage of {available}")
    return torch.empty(0, dtype=dtype, device="cpu").set_(storage.data.untyped_storage(), offset, size, stride)


def _tensor_v1(storage: Any, offset: object, size: object, stride: object) -> Tensor:
    return _tensor(storage, getattr(storage, "dtype", None), offset, size, stride)


def _tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata: object = None) -> Tensor:
    if metadata:
        raise ValueError("a tensor with a pending conjugation or negation; save it again after `.resolve_conj()`")
    return _tensor_v1(storage, offset, size, stride)


def _tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype: torch.dtype, metadata=None) -> Tensor:
    if metadata or (dtype.itemsize > 1 and not storage.little_endian):
        raise ValueError(f"a {dtype} tensor in a form that only torch reads (big-endian, or with metadata)")
    return _tensor(storage, dtype, offset, size, stride)


def _parameter(tensor: Tensor, requires_grad: object, hooks: object) -> Tensor:
    return tensor


def _size(values: object) -> torch.Size:
    return torch.Size(_counts(values, "a torch.Size"))


def _device(kind: str, index: int | None = None) -> torch.device:
    return torch.device(kind) if index is None else torch.device(kind, index)


def _numpy_dtype(code: str, align: object = False, copy: object = True) -> np.dtype:
    if type(code) is not str or code not in NUMPY_DTYPES:
        raise ForeignName(f"numpy.dtype({str(code)[:20]})")
    return np.dtype(code).newbyteorder("<")


def _numpy_scalar(dtype: object, raw: bytes) -> np.generic:
    if not isinstance(dtype, np.dtype) or len(raw) != dtype.itemsize:
        raise ValueError("a numpy scalar whose bytes do not match its dtype")
    return np.frombuffer(raw, dtype)[0]


def _numpy_array(kind: object, shape: object, code: object) -> np.ndarray:
    if kind != Reference("numpy.ndarray"):
        raise ForeignName(f"numpy _reconstruct of {getattr(kind, 'name', type(kind).__name__)}")
    return np.empty(0, np.uint8)  # `fill_array` follows


def fill_array(array: np.ndarray, state: object) -> None:
    """The second half of an array's pickle: shape, dtype and bytes."""
    match state:
        case (int(), tuple(shape), np.dtype() as dtype, bool(fortran), bytes(raw)) if array.size == 0:
            if math.prod(_counts(shape, "an array shape")) * dtype.itemsize != len(raw):
                raise ValueError(f"a numpy array of {len(raw)} bytes that do not match its shape")
            own = bytes(bytearray(raw))  # a copy: the array writes into it
            array.__setstate__((1, shape, dtype, fortran, own))  # type: ignore[arg-type]
        case _:
            raise ForeignName("numpy.ndarray with elements that are not numbers")


def check_dtype_state(state: object) -> None:
    """The second half of a numpy dtype's pickle, which for plain little-endian numbers adds nothing."""
    match state:
        case (3 | 4, "<" | "|" | "=", None, None, None, -1, -1, *_):
            return
        case (3 | 4, ">", *_):
            raise ValueError("a big-endian numpy array, which mlzoo does not read")
        case _:
            raise ForeignName("numpy.dtype with fields or objects")


def _encoded(text: str, encoding: str = "utf-8") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ForeignName(f"_codecs.encode({str(encoding)[:20]})")
    return text.encode("latin-1")  # how protocols 0 to 2 write bytes


def _bytearray(data: str | bytes = b"", encoding: str = "latin-1") -> bytearray:
    if not isinstance(data, str | bytes):  # a number would reserve that many bytes
        raise ValueError("a bytearray that is not made from bytes")
    return bytearray(_encoded(data, encoding) if isinstance(data, str) else data)


def _set(values: object = ()) -> set:
    if not isinstance(values, list | tuple):
        raise ValueError("a set that is not made from a list")
    check_keys(values)
    return set(values)


def _reconstructed(kind: object, base: object, state: object) -> Record:
    if not isinstance(kind, Reference) or kind.name in REBUILD or kind.name in BARE_NAMES:
        raise ForeignName(f"copyreg._reconstructor of {getattr(kind, 'name', type(kind).__name__)}")
    if base != Reference("builtins.object") or state is not None:
        raise ForeignName(f"copyreg._reconstructor of {kind.name} on a builtin type")
    return Record(kind.name)


REBUILD: Mapping[str, Callable] = {
    "torch._utils._rebuild_tensor": _tensor_v1,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": lambda: OrderedDict(),
    "builtins.set": _set,
    "builtins.frozenset": lambda values=(): frozenset(_set(values)),
    "builtins.bytes": lambda: b"",
    "builtins.bytearray": _bytearray,
    "builtins.complex": lambda real, imaginary: complex(float(real), float(imaginary)),
    "builtins.slice": lambda start, stop, step: slice(start, stop, step),
    "_codecs.encode": _encoded,
    "copyreg._reconstructor": _reconstructed,
    "numpy.dtype": _numpy_dtype,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.multiarray._reconstruct": _numpy_array,
    "numpy._core.multiarray._reconstruct": _numpy_array,
}
