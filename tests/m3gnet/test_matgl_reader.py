"""MatGL folders: known by checksum, by repository, or by what the user says; refused otherwise."""

import collections
import json
import logging
import pickle
import shutil
import zipfile

import pytest
import torch

import mlzoo
from mlzoo.errors import UnreadableFile, UnsafePickle
from mlzoo_m3gnet import sniff_matgl

NAME = "M3GNet-r2SCAN-NaBH"


@pytest.fixture
def folder(shared, tmp_path):
    """A writable copy of a published folder."""
    copy = tmp_path / NAME
    copy.mkdir()
    for file in (shared / "weights/matgl" / NAME).iterdir():
        shutil.copyfile(file, copy / file.name)
    return copy


def retrained(folder):
    """Other numbers in the same shapes: a folder that nobody has published."""
    state = torch.load(folder / "state.pt", weights_only=True, map_location="cpu")
    state["model.embedding.layer_node_embedding.weight"] += 1e-3
    torch.save(collections.OrderedDict(state), folder / "state.pt")
    return folder


def test_a_published_folder_is_repaired_and_says_so(folder, caplog):
    with caplog.at_level(logging.WARNING, logger="mlzoo"):
        model = mlzoo.load(folder)
    assert model.provenance["convention"] == "dstfix"
    assert "trained with MatGL's 'legacy' convention" in caplog.text
    assert "loaded as 'dstfix'" in caplog.text


def test_what_the_user_says_is_taken_without_comment(folder, caplog):
    assert mlzoo.load(folder, convention="v4").provenance["convention"] == "v4"
    assert caplog.text == ""


def test_a_folder_of_unknown_convention_is_refused(folder):
    with pytest.raises(
        UnreadableFile, match=r"does not say which of MatGL's conventions its weights follow.*Say which"
    ):
        mlzoo.load(retrained(folder))
    assert mlzoo.load(retrained(folder), convention="v4").provenance["convention"] == "v4"


def test_a_v3_repository_in_the_hub_cache_is_repaired_to_v4(folder, tmp_path, caplog):
    cached = tmp_path / "models--materialyze--M3GNet-PES-MatPES-PBE-2025.2" / "snapshots" / "0123abcd"
    shutil.copytree(retrained(folder), cached)
    assert mlzoo.load(cached).provenance["convention"] == "v4"
    assert "trained with MatGL's 'v3' convention" in caplog.text


def test_an_unknown_convention_is_refused_with_those_that_exist(folder):
    with pytest.raises(UnreadableFile, match=r"convention='v5' is not known\. It is one of legacy, dstfix, v3, v4"):
        mlzoo.load(folder, convention="v5")


def test_another_matgl_class_is_not_ours(shared):
    assert sniff_matgl(shared / "weights/matgl" / NAME)
    assert not sniff_matgl(shared / "weights/matgl/TensorNet-MatPES-PBE-v2025.1-PES")


@pytest.mark.parametrize(
    ("argument", "value"), [("use_phi", True), ("include_state", True), ("activation_type", "tanh"), ("ntargets", 2)]
)
def test_an_option_that_no_published_weight_uses_is_refused_by_name(folder, argument, value):
    arguments = torch.load(folder / "model.pt", weights_only=True, map_location="cpu")
    arguments["model"]["init_args"][argument] = value
    torch.save(arguments, folder / "model.pt")
    with pytest.raises(UnreadableFile, match=f"sets {argument}={value!r}"):
        mlzoo.load(folder)


class Trick:
    """Pickles itself as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("offender", "trick"),
    [
        ("system", lambda canary: Trick(__import__("os").system, f"touch {canary}")),
        ("eval", lambda canary: Trick(eval, f"open({str(canary)!r}, 'w')")),
        ("exec", lambda canary: Trick(exec, f"open({str(canary)!r}, 'w')")),
        ("Popen", lambda canary: Trick(__import__("subprocess").Popen, ["touch", str(canary)])),
        ("import_module", lambda canary: Trick(__import__("importlib").import_module, "this")),
        ("getattr", lambda canary: Trick(getattr, 1, "real")),
        ("_load_from_bytes", lambda canary: Trick(torch.storage._load_from_bytes, b"")),
        ("open", lambda canary: Trick(open, str(canary), "w")),
        ("run_path", lambda canary: Trick(__import__("runpy").run_path, str(canary))),
        ("load", lambda canary: Trick(torch.load, str(canary))),
    ],
)
@pytest.mark.parametrize("file", ["model.pt", "state.pt"])
def test_a_folder_whose_pickle_would_run_code_is_refused_and_nothing_runs(folder, tmp_path, offender, trick, file):
    canary = tmp_path / "canary"
    payload = pickle.dumps({"model": trick(canary)}, protocol=2)
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UnsafePickle, match=offender):
        mlzoo.load(folder, convention="dstfix")
    assert not canary.exists()


def test_a_folder_that_lies_about_its_tensors_is_refused(folder):
    state = torch.load(folder / "state.pt", weights_only=True, map_location="cpu")
    state["model.embedding.layer_node_embedding.weight"] = torch.zeros(7, 64)
    torch.save(collections.OrderedDict(state), folder / "state.pt")
    with pytest.raises(UnreadableFile, match="the tensors do not fit the config"):
        mlzoo.load(folder, convention="dstfix")


def test_numbers_survive_our_own_layout(folder, tmp_path):
    model = mlzoo.load(folder, dtype="float64", device="cpu")
    saved = model.save(tmp_path / "saved")
    again = mlzoo.load(saved, dtype="float64", device="cpu")
    assert sorted(file.name for file in saved.iterdir()) == [
        "LICENSE",
        "README.md",
        "checks.json",
        "config.json",
        "model.safetensors",
    ]
    assert again.provenance["convention"] == "dstfix"
    checks = json.loads((saved / "checks.json").read_text())
    assert checks["checks"][0]["origin"].startswith("matgl")  # the original's numbers, not ours
    assert max(each.largest for each in again.verify()) < 1e-8
    assert again.card.license == "bsd-3-clause"
    assert "Materials Virtual Lab" in (saved / "LICENSE").read_text()
