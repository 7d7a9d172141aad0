"""A `.model` file is the pickle of a program: whatever it tries, nothing runs, and the error says what it was."""

from __future__ import annotations

import copy
import io
import os
import random
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from test_inert_pickle import RECORD, TRICKS, call, in_python, name, tensor_pickle, text, touch

import mlzoo
from mlzoo import inert_pickle
from mlzoo.errors import UnreadableFile, UnsafePickle
from mlzoo.inert_pickle import Record
from mlzoo_mace.model import Mace
from mlzoo_mace.readers import mace_torch
from mlzoo_mace.readers.sniffs import sniff_mace_torch

SMALL = "weights/mace-torch/tiny-scaleshift.model"
NEVER_CALLED = {  # what is named is a record here; what it is asked for is not
    "getattr chain": "os.path",
    "graph module": "a pickle that does not end with one object",
}


def write(path: Path, pickled: bytes, entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED):
    """A torch archive with this pickle, and with storages or other entries."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for entry, content in {"byteorder": b"little", "data.pkl": pickled, **(entries or {})}.items():
            archive.writestr(f"archive/{entry}", content)
    return path


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {entry.partition("/")[2]: archive.read(entry) for entry in archive.namelist()}


@pytest.fixture
def small(shared) -> dict[str, bytes]:
    """The entries of a real file."""
    return entries_of(shared / SMALL)


@pytest.fixture(autouse=True)
def bounded():
    """No test here may take more memory than a few copies of what it reads; where the system counts it (Linux)."""
    peak, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not os.access(peak, os.W_OK):
        yield
        return
    peak.write_text("5")  # the highest so far is forgotten
    before = highest(status.read_text())
    yield
    assert highest(status.read_text()) - before < 400_000


def highest(status: str) -> int:
    """Resident memory at its highest, kB."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_inside_a_model_is_named_and_does_not_run(trick, tmp_path):
    canary = tmp_path / "canary"
    body, offence = TRICKS[trick]
    path = write(tmp_path / "mace.model", b"\x80\x02" + RECORD + body(canary) + b".")
    assert sniff_mace_torch(path)
    with pytest.raises(UnreadableFile) as error:
        mlzoo.load(path)
    assert NEVER_CALLED.get(trick, offence) in str(error.value)
    assert str(path) in str(error.value)
    assert trick == "graph module" or isinstance(error.value, UnsafePickle)
    assert not canary.exists()


CALLS = {
    "os.system": lambda c: call(name("os.system"), touch(c)),
    "subprocess.check_output": lambda c: call(
        name("subprocess.check_output"), b"(" + text("touch") + text(str(c)) + b"l"
    ),
    "importlib.import_module": lambda c: call(name("importlib.import_module"), text("this")),
    "builtins.eval": lambda c: call(name("builtins.eval"), in_python(c)),
    "__builtin__.exec": lambda c: call(name("__builtin__.exec"), in_python(c)),
    "torch.load": lambda c: call(name("torch.load"), text(str(c))),
    "torch.jit.load": lambda c: call(name("torch.jit.load"), text(str(c))),
    "torch.jit._script.unpackage_script_module": lambda c: call(name("torch.jit._script.unpackage_script_module")),
    "torch.fx.graph_module._deserialize_graph_module": lambda c: call(
        name("torch.fx.graph_module._deserialize_graph_module"), in_python(c)
    ),
    "torch.fx._lazy_graph_module._make_graph_module": lambda c: call(
        name("torch.fx._lazy_graph_module._make_graph_module"), in_python(c)
    ),
    "torch.serialization._get_layout": lambda c: call(name("torch.serialization._get_layout"), in_python(c)),
    "torch.utils.cpp_extension.load_inline": lambda c: call(
        name("torch.utils.cpp_extension.load_inline"), in_python(c)
    ),
    "mace.tools.scripts_utils.os.system": lambda c: call(name("mace.tools.scripts_utils.os.system"), touch(c)),
    "opt_einsum_fx.optimize_einsums_full": lambda c: call(name("opt_einsum_fx.optimize_einsums_full"), in_python(c)),
}
PLACES = {
    "attribute": b"X\x08\x00\x00\x00training",
    "parameter": b"X\x06\x00\x00\x00weight",
    "child": b"X\x0e\x00\x00\x00node_embedding",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("offender", CALLS)
def test_a_call_hidden_deep_in_a_real_model_is_named_and_does_not_run(offender, place, small, tmp_path):
    canary = tmp_path / "canary"
    pickled = small.pop("data.pkl")
    at = pickled.index(PLACES[place])
    call_and_forget = CALLS[offender](canary) + b"0"
    path = write(tmp_path / "mace.model", pickled[:at] + call_and_forget + pickled[at:], small)
    with pytest.raises(UnsafePickle, match=re.escape(offender)):
        mlzoo.load(path)
    assert not canary.exists()


def test_a_call_in_a_call_in_a_record_is_named(small, tmp_path):
    canary = tmp_path / "canary"
    inner = call(name("torch.nn.modules.container.Sequential"), call(name("os.system"), touch(canary)))
    nested = call(name("e3nn.o3._irreps.Irreps"), call(name("mace.modules.blocks.x"), inner))
    with pytest.raises(UnsafePickle, match=r"os\.system"):
        mlzoo.load(write(tmp_path / "mace.model", b"\x80\x02" + RECORD + nested + b"."))
    assert not canary.exists()


def test_records_are_never_functions(tmp_path):
    """Names under mace, e3nn and torch.nn become data, also when they are called, and what comes of it cannot be."""
    canary = tmp_path / "canary"
    for function in ("mace.modules.blocks.os.system", "torch.nn.functional.os.system", "e3nn.util.exec"):
        path = write(tmp_path / "mace.model", b"\x80\x02" + RECORD + b"0" + call(name(function), touch(canary)) + b".")
        with pytest.raises(UnreadableFile, match=r"the file holds .*, which is no torch module"):
            mlzoo.load(path)
        twice = call(call(name(function), touch(canary)), touch(canary))
        with pytest.raises(UnsafePickle, match="a Record used as a function"):
            mlzoo.load(write(tmp_path / "mace.model", b"\x80\x02" + RECORD + b"0" + twice + b"."))
    assert not canary.exists()


@pytest.mark.parametrize(
    "chain",
    [
        ("torch._C._VariableFunctionsClass", "__init__", "__globals__"),
        ("torch._C._VariableFunctionsClass", "__subclasses__"),
        ("torch.nn.functional.silu", "__globals__", "__getitem__"),
        ("mace.modules.models.MACE", "__reduce__"),
    ],
)
def test_attributes_of_attributes_stay_words(chain, small, tmp_path):
    """`getattr` is how a tanh of torch is pickled; here it is a word with two words behind it."""
    value = name(chain[0])
    for attribute in chain[1:]:
        value = call(name("__builtin__.getattr"), value, text(attribute))
    assert_harmless_function(value, r"uses builtins\.getattr|uses torch\.__\w+__", small, tmp_path)
    called = b"\x80\x02" + RECORD + call(value, touch(tmp_path / "canary")) + b"."
    with pytest.raises(UnsafePickle, match="a Record used as a function"):
        mlzoo.load(write(tmp_path / "mace.model", called))
    assert not (tmp_path / "canary").exists()


def assert_harmless_function(value: bytes, reason: str, small: dict[str, bytes], folder: Path) -> None:
    """As the activation of the last readout in a real model."""
    entries = dict(small)
    pickled = entries.pop("data.pkl")
    silu = pickled.index(b"ctorch.nn.functional\nsilu\n")
    end = silu + len(b"ctorch.nn.functional\nsilu\n")
    path = write(folder / "mace.model", pickled[:silu] + value + pickled[end:], entries)
    with pytest.raises(UnreadableFile, match=reason):
        mlzoo.load(path)


def test_the_source_of_graphs_is_never_run(small, tmp_path, monkeypatch, shared):
    """Contractions carry Python source that torch would execute on loading; ours are made of the tensors."""
    monkeypatch.chdir(tmp_path)
    pickled = small.pop("data.pkl")
    changed = pickled.replace(b"\n\n\ndef forward(", b"open('c', 'w')#").replace(
        b"from math import inf", b"open('canary', 'w')\n"
    )
    assert changed.count(b"open('c', 'w')") > 5
    assert changed.count(b"open('canary', 'w')") > 5
    assert len(changed) == len(pickled)
    path = write(tmp_path / "mace.model", changed, small)
    assert energy_of_water(path, shared) == energy_of_water(shared / SMALL, shared)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mace.model"]


def test_compiled_code_inside_a_model_is_never_looked_at(small, tmp_path, shared):
    """e3nn's modules carry TorchScript archives: their bytes may be anything."""
    pickled = small.pop("data.pkl")
    assert pickled.count(b"PK\x03\x04") > 10
    path = write(tmp_path / "mace.model", pickled.replace(b"PK\x03\x04", b"EVIL"), small)
    assert energy_of_water(path, shared) == energy_of_water(shared / SMALL, shared)


def energy_of_water(path: Path, shared: Path) -> float:
    from mace.references import mace_torch_structures

    model = mlzoo.load(path, dtype="float64", device="cpu", exact=True)
    return model.predict(mace_torch_structures(shared, "mace-torch")["water"], ["energy"])["energy"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_is_refused(tmp_path):
    """TorchScript's archives have code beside the pickle, and names that begin with __torch__."""
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), stream)
    (tmp_path / "linear.model").write_bytes(stream.getvalue())
    with pytest.raises(UnreadableFile):
        mlzoo.load(tmp_path / "linear.model")
    with pytest.raises(UnsafePickle, match=r"__torch__\.torch\.nn\.modules\.linear\.Linear"):
        mace_torch.read(tmp_path / "linear.model")
    compiled = b"\x80\x02" + name("__torch__.mace.modules.models.ScaleShiftMACE") + b")\x81}b."
    with pytest.raises(UnsafePickle, match=r"__torch__\.mace\.modules\.models\.ScaleShiftMACE"):
        mlzoo.load(write(tmp_path / "compiled.model", compiled))


FLOATS = name("torch.FloatStorage")
IDS = {
    "a number": b"K\x07",
    "nothing": b"N",
    "a text": text("os.system"),
    "an empty tuple": b")",
    "a module": b"(" + text("module") + FLOATS + text("import os") + b"t",
    "too short": b"(" + text("storage") + FLOATS + text("0") + b"t",
    "too long": b"(" + text("storage") + FLOATS + text("0") + text("cpu") + b"K\x04NNt",
    "a view": b"(" + text("storage") + FLOATS + text("0") + text("cpu") + b"K\x04K\x01t",
    "a foreign kind": b"(" + text("storage") + name("os.system") + text("0") + text("cpu") + b"K\x04t",
    "no kind": b"(" + text("storage") + text("FloatStorage") + text("0") + text("cpu") + b"K\x04t",
    "a key that is a number": b"(" + text("storage") + FLOATS + b"K\x00" + text("cpu") + b"K\x04t",
    "a key that leaves the archive": b"("
    + text("storage")
    + FLOATS
    + text("../../etc/passwd")
    + text("cpu")
    + b"K\x04t",
    "a record": RECORD,
    "a count that is a text": b"(" + text("storage") + FLOATS + text("0") + text("cpu") + text("4") + b"t",
}


@pytest.mark.parametrize("identity", IDS)
def test_persistent_ids_of_odd_shapes(identity, tmp_path):
    path = write(tmp_path / "mace.model", b"\x80\x02" + RECORD + IDS[identity] + b"Q.", {"data/0": bytes(16)})
    with pytest.raises(UnreadableFile, match=r"persistent id|os\.system|etc/passwd"):
        mlzoo.load(path)


# Sizes


HUGE = b"\x8a\x06" + struct.pack("<q", 2**40)[:6]


@pytest.mark.parametrize(
    "declared",
    [
        {"size": HUGE, "stride": b"K\x01"},
        {"size": HUGE, "stride": b"K\x00"},
        {"size": b"K\x02", "stride": HUGE},
        {"size": b"K\x02", "stride": b"K\x01", "offset": HUGE},
        {"size": b"K\x02", "stride": b"K\x01", "count": HUGE},
        {"size": HUGE * 4, "stride": b"K\x00" * 4},
    ],
)
def test_a_tensor_that_claims_a_terabyte(declared, tmp_path):
    pickled = b"\x80\x02" + RECORD + tensor_pickle(**declared).removeprefix(b"\x80\x02")
    with pytest.raises(UnreadableFile, match="damaged since"):
        mlzoo.load(write(tmp_path / "mace.model", pickled, {"data/0": bytes(16)}))


def test_compressed_zeros(small, tmp_path):
    """A quarter of a megabyte that would be a quarter of a gigabyte."""
    path = tmp_path / "mace.model"
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("archive/data.pkl", "w") as file:
        file.write(small["data.pkl"][:64])
        for _ in range(16):
            file.write(bytes(2**24))
    assert path.stat().st_size < 1e6
    assert sniff_mace_torch(path)  # which looks at its first bytes only
    with pytest.raises(UnreadableFile, match="compressed"):
        mlzoo.load(path)


def test_entries_that_lie_about_their_size(small, tmp_path):
    path = write(tmp_path / "mace.model", small.pop("data.pkl"), small)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02", content.rindex(b"archive/data.pkl") - 60)
    content[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)  # in the directory: 2 GB, stored as they are
    path.write_bytes(content)
    with pytest.raises(UnreadableFile):
        mlzoo.load(path)


def test_numbers_and_texts_without_end(tmp_path):
    for body in (
        b"\x8b" + struct.pack("<i", 2**31 - 1),  # an integer of two gigabytes
        b"X" + struct.pack("<I", 2**32 - 1),
        b"\x80\x04\x8d" + struct.pack("<Q", 2**62),
        call(name("builtins.bytearray"), HUGE),
        b"(" * 100_000,
        b"]q\x00" + b"h\x00a" * 100_000,
    ):
        with pytest.raises(UnreadableFile):
            mlzoo.load(write(tmp_path / "mace.model", b"\x80\x02" + RECORD + body + b"."))


# Damage


def test_truncated_anywhere(shared, tmp_path):
    whole, path = (shared / SMALL).read_bytes(), tmp_path / "mace.model"
    for length in range(0, len(whole), len(whole) // 200):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile):
            mlzoo.load(path)
        with pytest.raises(UnreadableFile, match=r"mace\.model"):
            mace_torch.read(path)


def test_a_pickle_truncated_anywhere(small, tmp_path):
    pickled = small.pop("data.pkl")
    for length in range(0, len(pickled), len(pickled) // 200):
        path = write(tmp_path / "mace.model", pickled[:length])
        with pytest.raises(UnreadableFile):
            mlzoo.load(path)


def test_missing_storages(small, tmp_path):
    del small["data/3"]
    with pytest.raises(UnreadableFile, match="data/3 is missing"):
        mlzoo.load(write(tmp_path / "mace.model", small.pop("data.pkl"), small))


INSTEAD = [None, True, -1, 7, 10**30, 1e300, float("nan"), "x", "9x0e", b"", (), [], {}, [[]], torch.zeros(3)]


@pytest.mark.parametrize("file", ["tiny-scaleshift", "omol-like"])
def test_whatever_a_model_says_of_itself_is_read_or_refused(file, shared, monkeypatch):
    """Values of all kinds in places of all kinds: a network that fits its tensors, or an error of ours."""
    path = shared / f"weights/mace-torch/{file}.model"
    original = inert_pickle.load(path, mace_torch.RECORDS)
    tracks = sorted(places(original))
    chance = random.Random(0)
    outcomes = {"read": 0, "refused": 0}
    found: list[object] = []
    monkeypatch.setattr(mace_torch.inert_pickle, "load", lambda *_, **__: found.pop())
    for _ in range(120):
        track, value = chance.choice(tracks), chance.choice(INSTEAD)
        found.append(put(copy.deepcopy(original), track, copy.copy(value)))
        try:
            read = mace_torch.read(path)
            Mace(read.config).load_state_dict(read.state, assign=True)
            outcomes["read"] += 1
        except (UnreadableFile, RuntimeError):  # tensors that do not fit, which `mlzoo.load` says in a sentence
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10


def places(node: object, track: tuple = (), seen: frozenset[int] = frozenset()):
    """Every field below a record, as the keys that lead to it; not into graphs and compiled code."""
    if id(node) in seen or len(track) > 14:
        return
    seen |= {id(node)}
    match node:
        case Record(name=name) if "graph_module" not in name:
            yield from places(node.state, (*track, "state"), seen)
            yield from places(node.args, (*track, "args"), seen)
        case dict():
            for key, value in node.items():
                if isinstance(key, str) and key != "__codegen__" and not key.endswith("_hooks"):
                    yield (*track, key)
                    yield from places(value, (*track, key), seen)
        case list() | tuple():
            for place, value in enumerate(node):
                yield (*track, str(place))
                yield from places(value, (*track, str(place)), seen)


def put(node, track, value):
    """The same tree with another value at the end of a track."""
    if not track:
        return value
    key, *rest = track
    match node:
        case Record():
            setattr(node, key, put(getattr(node, key), rest, value))
        case dict():
            node[key] = put(node[key], rest, value)
        case list():
            node[int(key)] = put(node[int(key)], rest, value)
        case tuple():
            items = list(node)
            items[int(key)] = put(items[int(key)], rest, value)
            return tuple(items)
    return node


def test_modules_that_hold_each_other(shared, monkeypatch):
    model = inert_pickle.load(shared / SMALL, mace_torch.RECORDS)
    readouts = model.state["_modules"]["readouts"]
    readouts.state["_modules"]["0"] = model.state["_modules"]["products"] = readouts
    monkeypatch.setattr(mace_torch.inert_pickle, "load", lambda *_, **__: model)
    with pytest.raises(UnreadableFile, match=r"class ModuleList|is missing"):
        mace_torch.read(shared / SMALL)
