"""TensorFlow's checkpoints without TensorFlow: what is right is read to the bit, what is wrong is refused with a reason."""

import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from m3gnet import bundle_files as files

from mlzoo.errors import UnreadableFile
from mlzoo_m3gnet.readers import tensor_bundle
from mlzoo_m3gnet.readers.crc32c import crc32c

rng = np.random.default_rng(0)
TENSORS = {
    "a/kernel": rng.normal(size=(3, 4)).astype(np.float32),
    "a/bias": rng.normal(size=4).astype(np.float32),
    "b/none": np.zeros((0, 4), np.float32),
    "b/exact": rng.normal(size=(2, 1, 3)),
    "step": np.array(7, np.int64),
}


@pytest.fixture
def prefix(tmp_path):
    return files.write(tmp_path / "net", TENSORS)


@pytest.fixture
def index(prefix):
    return tensor_bundle.files(prefix)[0]


@pytest.fixture
def data(prefix):
    return tensor_bundle.files(prefix)[1]


def same(found):
    return found.keys() == TENSORS.keys() and all(
        np.array_equal(found[name].numpy(), tensor) and found[name].numpy().dtype == tensor.dtype
        for name, tensor in TENSORS.items()
    )


def refused(prefix, reason):
    with pytest.raises(UnreadableFile, match=reason) as error:
        tensor_bundle.read(prefix)
    assert re.search(r"[Ff]etch .*again", str(error.value))


def test_every_tensor_comes_back_to_the_bit(prefix):
    found = tensor_bundle.read(prefix)
    assert same(found)
    found["a/bias"] += 1  # memory of its own, which may be written to


def test_the_published_checkpoint(shared):
    found = tensor_bundle.read(shared / "weights/m3gnet-tf/MP-2021.2.8-EFS/m3gnet")
    values = {name for name in found if name.endswith("/.ATTRIBUTES/VARIABLE_VALUE")}
    assert values == found.keys()
    assert len(found) == 80
    assert sum(tensor.numel() for tensor in found.values()) == 227_549
    assert all(tensor.isfinite().all() for tensor in found.values())


@pytest.mark.parametrize(
    ("message", "checksum"),  # RFC 3720, appendix B.4
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"", 0)],
)
def test_checksums_are_those_of_the_standard(message, checksum):
    assert crc32c(message) == checksum


class TestDamage:
    def test_a_flipped_byte_in_the_data_is_seen(self, prefix, data):
        right = data.read_bytes()
        for place in range(len(right)):
            data.write_bytes(right[:place] + bytes([right[place] ^ 0x10]) + right[place + 1 :])
            refused(prefix, "does not have its checksum")

    def test_a_flipped_bit_in_the_index_is_seen_or_changes_nothing(self, prefix, index):
        """Nothing is read of the block of other data, nor of the padding in the footer."""
        right, harmless = index.read_bytes(), 0
        for place in range(len(right)):
            index.write_bytes(right[:place] + bytes([right[place] ^ 1 << place % 8]) + right[place + 1 :])
            try:
                assert same(tensor_bundle.read(prefix)), place
                harmless += 1
            except UnreadableFile:
                continue
        assert harmless < 60

    @pytest.mark.parametrize("which", [0, 1], ids=["index", "data"])
    def test_a_file_cut_short_is_refused(self, prefix, which):
        path = tensor_bundle.files(prefix)[which]
        right = path.read_bytes()
        for size in range(len(right)):
            path.write_bytes(right[:size])
            refused(prefix, re.escape(str(path)))

    def test_noise_is_refused(self, prefix, index):
        noise = random.Random(0)
        for size in (0, 10, 48, 1000):
            index.write_bytes(noise.randbytes(size))
            refused(prefix, "does not end as a sorted table")
            index.write_bytes(noise.randbytes(size) + files.MAGIC)
            refused(prefix, "is no part of a TensorFlow checkpoint")

    @pytest.mark.parametrize("which", [0, 1], ids=["index", "data"])
    def test_a_missing_file_is_named(self, prefix, which):
        path = tensor_bundle.files(prefix)[which]
        path.unlink()
        refused(prefix, f"{re.escape(str(path))}: there is no file of that name")


class TestHostile:
    """Files that are whole and say what is not so, or what we do not read."""

    def test_snappy_is_refused_by_name(self, prefix, index):
        index.write_bytes(files.table({"": files.header()}, compression=1))
        refused(prefix, "compressed with Snappy, which is not supported")

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            (files.header(shards=3), "its data lie in 3 files"),
            (files.header(endianness=1), "big-endian"),
            (files.header(min_consumer=2), "version 2 of its format"),
            (b"\xff", "ends within a number"),
            (files.message([(1, 1), (3, 5)]), "field 3 of a message of it is no message"),
        ],
    )
    def test_a_header_that_is_not_served(self, tmp_path, header, reason):
        refused(files.write(tmp_path / "net", TENSORS, **{"": header}), reason)

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            (files.entry(files.FLOAT32, [4], 2**40, b"", size=16), "should lie at byte 1099511627776"),
            (files.entry(files.FLOAT32, [2**30], 0, b"", size=2**32), "4294967296 bytes long, but the file has"),
            (files.entry(files.FLOAT32, [5], 0, b"", size=16), r"of shape \(5,\) and float32 should not have 16 bytes"),
            (files.entry(files.FLOAT32, [2**62, 4], 0, b"", size=16), "has the shape"),
            (files.entry(files.FLOAT32, [1] * 9, 0, bytes(4)), "has the shape"),
            (files.entry(files.FLOAT32, [4], 0, bytes(16), shard=1), "lies in another file"),
            (files.entry(19, [4], 0, bytes(8)), "dtype number 19"),
            (files.entry(files.FLOAT32, [1], 0, bytes(4)) + files.message([(7, b"")]), "lies in slices"),
            (files.message([(1, 1), (2, b"\x12")]), "ends within a number"),
            (b"\x0b", "field of kind 3"),
            (b"\x0a\x7f", "is cut short"),
        ],
    )
    def test_an_entry_that_is_not_so(self, tmp_path, entry, reason):
        refused(files.write(tmp_path / "net", TENSORS, **{"a/bias": entry}), reason)

    def test_tensors_that_share_bytes_cannot_add_up_to_more_than_the_file(self, tmp_path):
        raw = rng.normal(size=1000).astype(np.float32)
        again = files.entry(files.FLOAT32, [1000], 0, raw.tobytes())
        refused(files.write(tmp_path / "net", {"a": raw}, b=again), "have more bytes than the 4000 of the file")

    def test_text_is_left_out(self, tmp_path):
        prefix = files.write(tmp_path / "net", TENSORS, graph=files.entry(files.STRING, [], 0, b"", size=0))
        assert same(tensor_bundle.read(prefix))

    def test_a_block_may_not_be_read_twice(self, prefix, index):
        data = files.block([(b"", files.header())])
        place = files.varint(0) + files.varint(len(data) - 5)
        listed = files.block([(b"k", place), (b"l", place)])
        footer = place + files.varint(len(data)) + files.varint(len(listed) - 5)
        index.write_bytes(data + listed + footer.ljust(40, b"\0") + files.MAGIC)
        refused(prefix, "begins within the one before it")

    def test_a_size_that_is_absurd_is_refused_unread(self, prefix, data):
        with data.open("ab") as file:
            file.truncate(2**40)  # a hole, which takes no room on the disk
        refused(prefix, "1099511627776 bytes, and more than 1073741824 are not read")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_no_file(self, prefix, data):
        data.unlink()
        os.mkfifo(data)
        refused(prefix, "there is no file of that name")


def test_tensorflow_and_protobuf_are_not_needed(prefix):
    code = (
        "import sys; from pathlib import Path; from mlzoo_m3gnet.readers.tensor_bundle import read; "
        f"read(Path({str(prefix)!r})); print({{'tensorflow', 'google.protobuf'}} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"
