"""Reads what ``torch.save`` and ``pickle`` wrote, and runs nothing of it.

Why this is safe. Python's unpickler is not used: :mod:`.machine` steps through the opcodes itself (``pickletools``
only cuts the bytes into opcodes). A name in the file is a string that is looked up in two fixed places: the table in
:mod:`.rebuild`, whose every function is ours, and the caller's list of records. It is never imported, and a name
found in neither place ends the reading. Only functions of that table are ever called; a record is a name with its
arguments and state, has no ``__call__``, and what the file says about it stays plain data in its fields. Whatever a
file declares (sizes, strides, offsets, lengths) is compared with the bytes that are there before memory is taken.

>>> import collections, pathlib, pickle, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "counts.pkl"
>>> _ = path.write_bytes(pickle.dumps(collections.Counter("water"), protocol=2))
>>> load(path, records=["collections.Counter"])
Record('collections.Counter')
"""

from mlzoo.inert_pickle.files import load
from mlzoo.inert_pickle.rebuild import Record, Reference

__all__ = ["Record", "Reference", "load"]
