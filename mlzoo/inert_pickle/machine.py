"""The pickle machine: a stack, a memo, and one case for every opcode of protocols 0 to 5."""

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from mlzoo.inert_pickle.rebuild import (
    BARE_NAMES,
    DTYPES,
    REBUILD,
    ForeignName,
    Record,
    Reference,
    Storage,
    check_dtype_state,
    check_keys,
    fill_array,
)

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
LITERALS = frozenset(  # the opcode brings its value along
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)
PYTHON_2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
SIZED = (str, bytes, bytearray, list, tuple)
MAX_INTEGER_BITS = 4096


class Machine:
    """Runs one pickle from ``stream``, and leaves the stream behind its STOP.

    ``records`` are full names or prefixes that end in ``.*``; ``storage`` finds what a persistent id points to.
    """

    def __init__(self, stream: io.BytesIO, records: Collection[str], storage: Callable[[object], Storage]):
        self.stream = stream
        self.names = frozenset(records)
        self.prefixes = tuple(name[:-1] for name in records if name.endswith(".*"))
        self.storage = storage
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each open MARK
        self.memo: dict[int, Any] = {}
        self.budget = 1000 + 4 * stream.getbuffer().nbytes  # elements that calls may copy: no file copies more

    def run(self) -> object:
        for opcode, argument, _ in pickletools.genops(self.stream):
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument)
        if self.outer or len(self.stack) != 1:
            raise ValueError("a pickle that does not end with one object")
        return self.stack.pop()

    def _step(self, opcode: str, argument: Any) -> None:
        push, pop = self.stack.append, self.stack.pop
        match opcode:
            case _ if opcode in LITERALS:
                if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                    raise ValueError("an integer of thousands of digits")
                push(argument)
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                if argument not in self.memo:
                    raise ValueError(f"entry {argument} of the memo, which was never made")
                push(self.memo[argument])
            case _ if opcode in CONSTANTS:
                push(CONSTANTS[opcode])
            case _ if opcode in EMPTY:
                push(EMPTY[opcode]())
            case "MARK":
                self.outer.append(self.stack)
                self.stack = []
            case "TUPLE":
                self._push_after_mark(tuple)
            case "TUPLE1":
                push((pop(),))
            case "TUPLE2":
                last = pop()
                push((pop(), last))
            case "TUPLE3":
                last, middle = pop(), pop()
                push((pop(), middle, last))
            case "LIST":
                self._push_after_mark(list)
            case "DICT":
                values = self._pop_mark()
                self.stack.append({})
                self._set_items(values)
            case "FROZENSET":
                self._push_after_mark(REBUILD["builtins.frozenset"])
            case "APPEND":
                self._append([pop()])
            case "APPENDS":
                self._append(self._pop_mark())
            case "SETITEM":
                value = pop()
                self._set_items([pop(), value])
            case "SETITEMS":
                self._set_items(self._pop_mark())
            case "ADDITEMS":
                self._add(self._pop_mark())
            case "POP":
                if self.stack:
                    pop()
                else:
                    self._pop_mark()
            case "POP_MARK":
                self._pop_mark()
            case "DUP":
                push(self.stack[-1])
            case "GLOBAL":
                push(self._look_up(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name = pop()
                push(self._look_up(pop(), name))
            case "REDUCE":
                arguments = pop()
                push(self._call(pop(), arguments))
            case "NEWOBJ":
                arguments = pop()
                push(self._record(pop(), arguments))
            case "NEWOBJ_EX":
                keywords, arguments = pop(), pop()
                push(self._record(pop(), arguments, keywords))
            case "INST":
                arguments = tuple(self._pop_mark())
                self.stack.append(self._record(self._look_up(*argument.split(" ", 1)), arguments))
            case "OBJ":
                kind, *rest = self._pop_mark()
                self.stack.append(self._record(kind, tuple(rest)))
            case "BUILD":
                self._build(pop())
            case "BINPERSID":
                push(self.storage(pop()))
            case "PROTO":
                if argument > 5:
                    raise ValueError(f"pickle protocol {argument}, which does not exist yet")
            case "FRAME":
                pass
            case "EXT1" | "EXT2" | "EXT4":
                raise ForeignName(f"extension code {argument} of the copyreg registry")
            case "PERSID":
                raise ForeignName(f"persistent id {argument}")
            case _:
                raise ValueError(f"opcode {opcode}, which needs data outside of the file")

    def _pop_mark(self) -> list:
        values, self.stack = self.stack, self.outer.pop()
        return values

    def _push_after_mark(self, make: Callable) -> None:
        values = self._pop_mark()
        self.stack.append(make(values))

    def _append(self, values: list) -> None:
        target = self.stack[-1]
        if type(target) not in (list, Record):
            raise ValueError(f"elements for a {type(target).__name__}")
        (target.elements if type(target) is Record else target).extend(values)

    def _set_items(self, values: list) -> None:
        target, keys = self.stack[-1], values[::2]
        if type(target) not in (dict, OrderedDict, Record):
            raise ValueError(f"items for a {type(target).__name__}")
        check_keys(keys)
        (target.items if type(target) is Record else target).update(zip(keys, values[1::2], strict=True))

    def _add(self, values: list) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise ValueError(f"elements of a set for a {type(target).__name__}")
        check_keys(values)
        target.update(values)

    def _look_up(self, module: object, name: object) -> object:
        """The inert thing that a name in the pickle stands for."""
        if type(module) is not str or type(name) is not str:
            raise ForeignName("something that is not a text")
        full = f"{PYTHON_2_MODULES.get(module, module)}.{name}"
        if full in DTYPES:
            return DTYPES[full]
        if full in REBUILD or full in BARE_NAMES or self._is_record(full):
            return Reference(full)
        raise ForeignName(f"{module}.{name}")

    def _is_record(self, name: str) -> bool:
        return name in self.names or name.startswith(self.prefixes)

    def _call(self, function: object, arguments: object) -> object:
        if type(function) is Reference and function.name in REBUILD and type(arguments) is tuple:
            self._spend(arguments)
            return REBUILD[function.name](*arguments)
        return self._record(function, arguments)

    def _spend(self, arguments: object) -> None:
        """Copying is paid for: a small file that copies one thing a million times ends here, not in the memory."""
        if isinstance(arguments, tuple):
            self.budget -= sum(len(part) for part in arguments if isinstance(part, SIZED))
        if self.budget < 0:
            raise ValueError("the same data copied over and over")

    def _record(self, kind: object, arguments: object, keywords: Any = None) -> Record:
        if type(kind) is not Reference:
            raise ForeignName(f"a {type(kind).__name__} used as a function")
        if not self._is_record(kind.name) or kind.name in REBUILD or kind.name in BARE_NAMES:
            raise ForeignName(kind.name)
        if type(arguments) is not tuple or type(keywords) not in (dict, type(None)):
            raise ValueError(f"arguments of {kind.name} that are not a tuple")
        return Record(kind.name, arguments, keywords or {})

    def _build(self, state: object) -> None:
        """BUILD gives state to the object on the stack: kept as data by a record, checked for everything else."""
        target = self.stack[-1]
        match target:
            case Record(state=None):
                target.state = state
            case OrderedDict():
                self._build_state_dict(target, state)
            case np.ndarray():
                self._spend(state)
                fill_array(target, state)
            case np.dtype():
                check_dtype_state(state)
            case _:
                raise ForeignName(f"a new state for a {type(target).__name__}")

    @staticmethod
    def _build_state_dict(target: OrderedDict, state: object) -> None:
        """A state_dict carries the version numbers of its modules as one attribute."""
        if type(state) is not dict or not state.keys() <= {"_metadata"}:
            names = [str(key)[:40] for key in state] if type(state) is dict else [type(state).__name__]
            raise ForeignName(f"OrderedDict with attributes {', '.join(names[:5])}")
        if isinstance(state.get("_metadata"), dict):
            target._metadata = state["_metadata"]  # type: ignore[attr-defined]
