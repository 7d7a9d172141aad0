"""A pickle may come from a stranger: it yields its tensors, or an error that says what it tried."""

import collections
import contextlib
import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from mlzoo.errors import UnreadableFile, UnsafePickle
from mlzoo.inert_pickle import Record, Reference, load
from mlzoo.inert_pickle.files import Storages
from mlzoo.inert_pickle.rebuild import DTYPES, STORAGES

# A pickle by hand. `text` and `name` are a string and a global of protocol 0 to 2; everything ends with STOP.


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def name(full: str) -> bytes:
    module, _, attribute = full.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def stack_global(module: str, attribute: str) -> bytes:
    return b"\x80\x04" + text(module) + text(attribute) + b"\x93"


def touch(canary: Path) -> bytes:
    return text(f"touch {canary}")


def in_python(canary: Path) -> bytes:
    return text(f"__import__('pathlib').Path({str(canary)!r}).touch()")


EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE = b"}", b"]", b")"
NESTED = b"C\x01."
ORDERED_DICT = call(name("collections.OrderedDict"))
RECORD = name("mace.modules.models.MACE") + EMPTY_TUPLE + b"\x81"
ARRAY_STATE = b"(K\x01K\x01\x85" + call(name("numpy.dtype"), text("O8"), b"K\x00", b"K\x01") + b"\x89]K\x01at"

TRICKS = {
    "os.system by REDUCE": (lambda c: call(name("os.system"), touch(c)), "os.system"),
    "posix.system by INST": (lambda c: b"(S'touch %s'\niposix\nsystem\n" % bytes(c), "posix.system"),
    "os.system by OBJ": (lambda c: b"(" + name("os.system") + touch(c) + b"o", "os.system"),
    "subprocess.Popen": (lambda c: call(name("subprocess.Popen"), b"(" + text("touch") + text(str(c)) + b"l"), "Popen"),
    "eval": (lambda c: call(name("builtins.eval"), in_python(c)), "builtins.eval"),
    "exec of Python 2": (lambda c: call(name("__builtin__.exec"), in_python(c)), "__builtin__.exec"),
    "import by name": (lambda c: call(name("builtins.__import__"), text("antigravity")), "builtins.__import__"),
    "main": (lambda c: call(name("__main__.exploit"), touch(c)), "__main__.exploit"),
    "runpy": (lambda c: call(name("runpy.run_path"), text(str(c))), "runpy.run_path"),
    "pty": (lambda c: call(name("pty.spawn"), touch(c)), "pty.spawn"),
    "webbrowser": (lambda c: call(name("webbrowser.open"), text("http://localhost")), "webbrowser.open"),
    "timeit": (lambda c: call(name("timeit.timeit"), in_python(c)), "timeit.timeit"),
    "NEWOBJ": (lambda c: name("subprocess.Popen") + touch(c) + b"\x85\x81", "subprocess.Popen"),
    "NEWOBJ_EX": (
        lambda c: b"\x80\x04" + name("subprocess.Popen") + EMPTY_TUPLE + b"}" + text("args") + touch(c) + b"s\x92",
        "subprocess.Popen",
    ),
    "NEWOBJ of a table function": (lambda c: name("torch.Size") + EMPTY_TUPLE + b"\x81", "torch.Size"),
    "getattr chain": (
        lambda c: call(call(name("builtins.getattr"), name("os.path"), text("system")), touch(c)),
        "builtins.getattr",
    ),
    "operator.attrgetter": (lambda c: call(name("operator.attrgetter"), text("system")), "operator.attrgetter"),
    "dotted STACK_GLOBAL": (
        lambda c: call(stack_global("collections", "OrderedDict.__init__.__globals__"), touch(c)),
        "collections.OrderedDict.__init__.__globals__",
    ),
    "attribute of an allowed function": (
        lambda c: stack_global("torch._utils", "_rebuild_tensor_v2.__globals__"),
        "_rebuild_tensor_v2.__globals__",
    ),
    "name over two lines": (lambda c: stack_global("os\nx", "system\n") + b"0N", r"os\nx.system\n"),
    "name that is no text": (lambda c: b"\x80\x04K\x01K\x02\x93", "not a text"),
    "torch.load": (lambda c: call(name("torch.load"), text(str(c))), "torch.load"),
    "torch.hub": (lambda c: call(name("torch.hub.load"), text(str(c))), "torch.hub.load"),
    "pickle in a pickle": (
        lambda c: call(name("torch.storage._load_from_bytes"), NESTED),
        "torch.storage._load_from_bytes",
    ),
    "pickle.loads": (lambda c: call(name("pickle.loads"), NESTED), "pickle.loads"),
    "scripted module": (
        lambda c: call(name("torch.jit._script.unpackage_script_module"), EMPTY_DICT, text("x")),
        "torch.jit._script.unpackage_script_module",
    ),
    "graph module": (
        lambda c: call(name("torch.fx.graph_module.reduce_graph_module"), EMPTY_DICT, in_python(c)),
        "torch.fx.graph_module.reduce_graph_module",
    ),
    "tensor type": (
        lambda c: call(name("torch._tensor._rebuild_from_type_v2"), name("os.system")),
        "torch._tensor._rebuild_from_type_v2",
    ),
    "unpickler": (lambda c: name("torch.jit._pickle.RestrictedUnpickler"), "RestrictedUnpickler"),
    "extension code": (lambda c: b"\x80\x02\x82\xf0" + touch(c) + b"\x85R", "extension code 240"),
    "persistent id of a module": (
        lambda c: b"(" + text("module") + name("torch.FloatStorage") + in_python(c) + b"tQ",
        "persistent id",
    ),
    "persistent id as text": (lambda c: b"Pos.system\n", "persistent id os.system"),
    "hooks of a tensor": (lambda c: call(name("torch._utils._rebuild_hooks")), "_rebuild_hooks"),
    "record that is called": (lambda c: call(RECORD, touch(c)), "a Record used as a function"),
    "text that is called": (lambda c: call(text("os.system"), touch(c)), "a str used as a function"),
    "__setstate__ injected": (
        lambda c: ORDERED_DICT + b"}" + text("__setstate__") + text("os.system") + b"sb" + touch(c) + b"b",
        "__setstate__",
    ),
    "__class__ injected": (lambda c: ORDERED_DICT + b"}" + text("__class__") + text("x") + b"sb", "__class__"),
    "BUILD on a global": (lambda c: name("torch.Size") + b"}" + text("__new__") + touch(c) + b"sb", "for a Reference"),
    "BUILD on a tensor dtype": (lambda c: name("torch.float32") + EMPTY_DICT + b"b", "for a dtype"),
    "record with a foreign method": (
        lambda c: RECORD + b"}" + text("__setstate__") + name("os.system") + b"sb" + touch(c) + b"b",
        "os.system",
    ),
    "record built twice": (lambda c: RECORD + EMPTY_DICT + b"b" + EMPTY_DICT + b"b", "a new state for a Record"),
    "array of objects": (
        lambda c: (
            call(name("numpy.core.multiarray._reconstruct"), name("numpy.ndarray"), b"K\x00\x85", b"C\x01b")
            + ARRAY_STATE
            + b"b"
        ),
        "numpy.dtype(O8)",
    ),
    "_reconstruct of another class": (
        lambda c: call(name("numpy.core.multiarray._reconstruct"), name("torch.Size"), b"K\x00\x85", b"C\x01b"),
        "_reconstruct of torch.Size",
    ),
    "numpy.load": (lambda c: call(name("numpy.load"), text(str(c))), "numpy.load"),
    "numpy's runstring": (lambda c: call(name("numpy.testing._private.utils.runstring"), in_python(c)), "runstring"),
    "_reconstructor of a builtin": (
        lambda c: call(name("copy_reg._reconstructor"), name("torch.Size"), name("__builtin__.object"), b"N"),
        "copyreg._reconstructor of torch.Size",
    ),
    "codec that runs code": (lambda c: call(name("_codecs.encode"), touch(c), text("rot13")), "_codecs.encode(rot13)"),
    "codec lookup": (lambda c: call(name("_codecs.lookup"), text("x")), "_codecs.lookup"),
}


@pytest.mark.parametrize("container", ["bare", "torch.save"])
@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_is_named_and_does_not_run(trick, container, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "model.pt"
    body, offence = TRICKS[trick]
    body = body(canary) + b"."
    if container == "bare":
        path.write_bytes(body)
    else:
        write_archive(path, body)
    modules = set(sys.modules)
    with pytest.raises(UnsafePickle) as error:
        load(path, ["mace.*"])
    assert all(module.startswith("encodings.") for module in set(sys.modules) - modules)  # zipfile needs one
    assert offence in str(error.value)
    assert str(path) in str(error.value)
    assert "safetensors" in str(error.value)
    assert "\n" not in str(error.value)
    assert not canary.exists()


def test_the_tricks_would_work_on_the_ordinary_unpickler(tmp_path):
    for trick in ("os.system by REDUCE", "posix.system by INST", "eval"):
        canary = tmp_path / trick.replace(" ", "-")
        pickle.loads(TRICKS[trick][0](canary) + b".")
        assert canary.exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, subprocess.Popen, eval])
def test_a_reduce_method_is_refused_in_every_protocol(function, protocol, tmp_path):
    class Exploit:
        def __reduce__(self):
            return function, (f"touch {tmp_path / 'canary'}",)

    path = tmp_path / "exploit.pkl"
    path.write_bytes(pickle.dumps({"weights": [Exploit()]}, protocol))
    with pytest.raises(UnsafePickle, match=function.__name__):
        load(path)
    assert not (tmp_path / "canary").exists()


def test_a_registered_extension_is_not_consulted(tmp_path):
    copyreg.add_extension("os", "system", 240)
    try:
        path = tmp_path / "exploit.pkl"
        path.write_bytes(b"\x80\x02\x82\xf0" + touch(tmp_path / "canary") + b"\x85R.")
        with pytest.raises(UnsafePickle, match="extension code 240"):
            load(path)
        assert not (tmp_path / "canary").exists()
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_a_record_keeps_what_the_file_says_as_data(tmp_path):
    path = tmp_path / "record.pkl"
    hostile = b"(" + b"".join(text(key) + text("x") for key in ("__class__", "__setstate__", "name", "__call__")) + b"d"
    path.write_bytes(RECORD + hostile + b"b.")
    record = load(path, ["mace.modules.models.MACE"])
    assert type(record) is Record
    assert record.name == "mace.modules.models.MACE"
    assert record.state == dict.fromkeys(("__class__", "__setstate__", "name", "__call__"), "x")
    assert not callable(record)


def test_naming_a_record_never_imports_it(tmp_path):
    (tmp_path / "record.pkl").write_bytes(call(name("os.system"), touch(tmp_path / "canary")) + b".")
    record = load(tmp_path / "record.pkl", ["os.*"])
    assert (record.name, record.args) == ("os.system", (f"touch {tmp_path / 'canary'}",))
    assert not (tmp_path / "canary").exists()
    with pytest.raises(UnsafePickle, match=r"os\.system"):
        load(tmp_path / "record.pkl", ["os.path.*", "os"])


# Plain data


class Shelf(dict):
    """A class whose instances become records with items."""


class Row(list):
    """A class whose instances become records with elements."""


class Point:
    def __init__(self):
        self.x = 1.5


@pytest.mark.parametrize("protocol", range(6))
def test_plain_containers_of_every_protocol(protocol, tmp_path):
    shared_list = [1, 2]
    data = {
        "numbers": [0, -1, 255, 65536, 2**31, -(2**70), 1.5, float("inf"), True, None, 1 + 2j],
        "texts": ["", "Å", "x" * 300, b"", b"\xff\x00", bytearray(b"ab"), bytearray()],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "sets": [set(), {1, 2}, frozenset(), frozenset({"a"})],
        "ordered": collections.OrderedDict(b=1, a=2),
        "twice": [shared_list, shared_list],
        (1, "key"): slice(1, None, 2),
    }
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(data, protocol))
    found = load(path)
    assert found == data
    assert found["twice"][0] is found["twice"][1]
    assert list(found["ordered"]) == ["b", "a"]


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_numbers_and_arrays(protocol, tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    data = {"scalar": np.float64(0.1), "integer": np.int32(-4), "array": array, "empty": np.zeros((0, 3), np.float32)}
    path = tmp_path / "data.pkl"
    if protocol == 5:
        data = {key: value for key, value in data.items() if not isinstance(value, np.ndarray)}
    path.write_bytes(pickle.dumps(data, protocol))
    found = load(path)
    for key, value in data.items():
        np.testing.assert_array_equal(found[key], value, strict=True)


@pytest.mark.parametrize("protocol", range(6))
def test_objects_become_records(protocol, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps([Point(), Point], protocol))
    record, reference = load(path, [f"{__name__}.*"])
    assert record.name == reference.name == f"{__name__}.Point"
    assert record.state == {"x": 1.5}
    assert type(reference) is Reference


def test_subclasses_of_containers_become_records(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps([Shelf(a=1), Row([1, 2])], protocol=2))
    shelf, row = load(path, [f"{__name__}.*"])
    assert (shelf.items, row.elements) == ({"a": 1}, [1, 2])


def test_a_list_that_contains_itself(tmp_path):
    loop: list = []
    loop.append(loop)
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(loop))
    found = load(tmp_path / "data.pkl")
    assert found[0] is found


def test_nesting_deeper_than_the_stack(tmp_path):
    (tmp_path / "data.pkl").write_bytes(b"]" + b"\x85" * 300_000 + b".")
    assert type(load(tmp_path / "data.pkl")) is tuple


# Tensors


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.stride() == expected.stride()
    assert found.storage_offset() == expected.storage_offset()
    assert found.device.type == "cpu"
    assert not found.requires_grad
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}[expected.itemsize]
    torch.testing.assert_close(found.view(bits), expected.detach().view(bits), rtol=0, atol=0)


UNTYPED = {dtype for dtype in DTYPES.values() if dtype not in STORAGES.values()}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_tensors_of_every_dtype(dtype, zipped, tmp_path):
    path = tmp_path / "tensor.pt"
    content = torch.randint(0, 2 if dtype is torch.bool else 100, (4, 3 * dtype.itemsize), dtype=torch.uint8)
    if not zipped and dtype in UNTYPED:
        pytest.skip("torch cannot write this dtype in the old format")
    torch.save(content.view(dtype), path, _use_new_zipfile_serialization=zipped)
    same(load(path), torch.load(path, weights_only=True))


@pytest.mark.parametrize("zipped", [True, False])
def test_strides_offsets_and_sharing(zipped, tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    data = {
        "base": base,
        "transposed": base.T,
        "column": base[:, 2],
        "expanded": base[0].expand(5, 6),
        "scalar": base[1, 1],
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2, dtype=torch.float64)),
        "dtype": torch.bfloat16,
        "size": base.shape,
        "device": torch.device("cuda:0"),
    }
    path = tmp_path / "tensors.pt"
    torch.save(data, path, _use_new_zipfile_serialization=zipped)
    found = load(path)
    for key, expected in torch.load(path, weights_only=True).items():
        if isinstance(expected, torch.Tensor):
            same(found[key], expected)
        else:
            assert found[key] == expected
    found["column"][0] = -1.0
    assert found["base"][0, 2] == -1.0
    assert type(found["parameter"]) is torch.Tensor


def test_a_state_dict_goes_into_its_module(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    found = load(tmp_path / "state.pt")
    assert found._metadata == module.state_dict()._metadata
    torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).load_state_dict(found)


FOUR_FLOATS = np.arange(4, dtype="<f4").tobytes()


def tensor_pickle(size=b"K\x02", stride=b"K\x01", offset=b"K\x00", count=b"K\x04", key="0", location="cpu"):
    """One float32 tensor of a storage, as torch.save writes it; the numbers are opcodes."""
    identity = b"(" + text("storage") + name("torch.FloatStorage") + text(key) + text(location) + count + b"tQ"
    arguments = [identity, offset, b"(" + size + b"t", b"(" + stride + b"t", b"\x88", ORDERED_DICT]
    return b"\x80\x02" + call(name("torch._utils._rebuild_tensor_v2"), *arguments) + b"."


def write_archive(path, pickled, storage=FOUR_FLOATS, byteorder=b"little", **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        archive.writestr("archive/data/0", storage)


def test_saved_on_a_gpu_or_on_a_big_endian_machine(tmp_path):
    write_archive(tmp_path / "gpu.pt", tensor_pickle(location="cuda:0"))
    assert load(tmp_path / "gpu.pt").tolist() == [0.0, 1.0]
    assert load(tmp_path / "gpu.pt").device.type == "cpu"
    write_archive(tmp_path / "big.pt", tensor_pickle(), np.arange(4, dtype=">f4").tobytes(), b"big")
    assert load(tmp_path / "big.pt").tolist() == [0.0, 1.0]


NUMBER_2_62 = b"\x8a\x08" + struct.pack("<q", 2**62)
OUT_OF_BOUNDS = {
    "size": {"size": b"K\x05"},
    "stride": {"stride": b"K\x04"},
    "offset": {"offset": b"K\x03"},
    "negative offset": {"offset": b"J\xff\xff\xff\xff"},
    "negative stride": {"stride": b"J\xff\xff\xff\xff"},
    "negative size": {"size": b"J\xff\xff\xff\xff"},
    "huge size": {"size": NUMBER_2_62},
    "size that overflows": {"size": NUMBER_2_62 + b"K\x08", "stride": b"K\x00K\x00"},
    "stride that overflows": {"size": b"K\x05", "stride": NUMBER_2_62},
    "expanded without end": {"size": NUMBER_2_62, "stride": b"K\x00"},
    "missing stride": {"stride": b""},
    "fractional size": {"size": b"G" + struct.pack(">d", 1.0)},
    "fewer bytes than elements": {"count": b"K\x05"},
    "more bytes than elements": {"count": b"K\x03"},
    "negative count": {"count": b"J\xff\xff\xff\xff"},
    "huge count": {"count": NUMBER_2_62},
    "missing storage": {"key": "1"},
    "path out of the archive": {"key": "../../../../etc/passwd"},
    "other entry": {"key": "../data.pkl"},
}


@pytest.mark.parametrize("case", OUT_OF_BOUNDS)
def test_a_tensor_must_lie_inside_its_storage(case, tmp_path):
    write_archive(tmp_path / "tensor.pt", tensor_pickle(**OUT_OF_BOUNDS[case]))
    with pytest.raises(UnreadableFile, match="damaged since"):
        load(tmp_path / "tensor.pt")


# Damage


def assert_unreadable(path, reason=None):
    with pytest.raises(UnreadableFile, match=reason) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "ownload" in str(error.value)


def test_missing_file_and_folder(tmp_path):
    assert_unreadable(tmp_path / "nothing.pt", "there is no file of that name")
    assert_unreadable(tmp_path, "there is no file of that name")


@pytest.mark.parametrize("zipped", [True, False])
def test_every_truncation_and_many_flipped_bytes_are_an_error_or_data(zipped, tmp_path):
    stream = io.BytesIO()
    torch.save(
        {"a": torch.arange(5.0), "b": [torch.ones(2, 2, dtype=torch.int64), "x"]},
        stream,
        _use_new_zipfile_serialization=zipped,
    )
    whole = stream.getvalue()
    path = tmp_path / "damaged.pt"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert_unreadable(path)
    random = np.random.default_rng(0)
    for position in random.integers(0, len(whole), 600):
        flipped = bytearray(whole)
        flipped[position] ^= int(random.integers(1, 256))
        path.write_bytes(flipped)
        with contextlib.suppress(UnreadableFile):
            load(path)  # a flipped bit of a name or a number of the old format cannot be noticed


def test_a_damaged_storage_fails_its_checksum(tmp_path):
    write_archive(tmp_path / "tensor.pt", tensor_pickle())
    content = bytearray((tmp_path / "tensor.pt").read_bytes())
    content[content.index(FOUR_FLOATS) + 4] ^= 1
    (tmp_path / "tensor.pt").write_bytes(content)
    assert_unreadable(tmp_path / "tensor.pt", "CRC")


NOT_DATA = {
    "empty": b"",
    "web page": b"<!DOCTYPE html><html>",
    "pointer of git lfs": b"version https://git-lfs.github.com/spec/v1\n",
    "mark without end": b"((N.",
    "two results": b"NN.",
    "unknown memo": b"h\x07.",
    "unhashable key": b"}]Ns.",
    "deep key": b"}" + b")" + b"\x85" * 1000 + b"Ns.",
    "odd items": b"}(NNNu.",
    "items for a list": b"](NNu.",
    "elements for a tuple": b")Na.",
    "bytearray of a number": call(name("builtins.bytearray"), b"J\xff\xff\xff\x7f") + b".",
    "length beyond the file": b"\x80\x05\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "number of a million digits": b"\x8b" + struct.pack("<i", 10**6) + bytes(10**6 - 1) + b"\x01.",
    "buffer outside of the file": b"\x80\x05\x97.",
    "protocol 6": b"\x80\x06N.",
    "copies of copies": b"(" + b"K\x01" * 1000 + b"lq\x000(" + (name("builtins.set") + b"h\x00\x85R") * 1000 + b"l.",
}


@pytest.mark.parametrize("case", NOT_DATA)
def test_what_is_no_pickle_is_said_to_be_none(case, tmp_path):
    (tmp_path / "file.pt").write_bytes(NOT_DATA[case])
    assert_unreadable(tmp_path / "file.pt")


def test_archives_that_torch_never_writes(tmp_path):
    path = tmp_path / "tensor.pt"
    write_archive(path, tensor_pickle(), compression=zipfile.ZIP_DEFLATED)
    assert_unreadable(path, "compressed")
    write_archive(path, tensor_pickle(), byteorder=b"middle")
    assert_unreadable(path, "byte order")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert_unreadable(path, r"data\.pkl")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("archive/data.pkl", b"\x88.")
    assert_unreadable(path, "same name")


def test_entries_of_an_archive_cannot_share_their_bytes(tmp_path):
    """A zip bomb claims the same bytes many times."""
    path = tmp_path / "bomb.pt"
    write_archive(path, tensor_pickle(key="1"))
    with zipfile.ZipFile(path, "a") as archive:
        real, alias = archive.getinfo("archive/data/0"), zipfile.ZipInfo("archive/data/1")
        for field in ("header_offset", "CRC", "file_size", "compress_size"):
            setattr(alias, field, getattr(real, field))
        archive.filelist.append(alias)
        archive._didModify = True
    assert_unreadable(path, "header")


def test_storages_cannot_outgrow_the_file():
    storages = Storages(lambda key, size: torch.zeros(size, dtype=torch.uint8), "little", limit=20)
    identity = ("storage", Reference("torch.FloatStorage"), "0", "cpu", 4)
    assert storages(identity) is storages(identity)
    with pytest.raises(ValueError, match="storage 1 of 16 bytes, more than the file holds"):
        storages(("storage", Reference("torch.FloatStorage"), "1", "cpu", 4))
