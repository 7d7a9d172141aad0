"""MEGNet's published weights by name. Two of the originals share a folder upstream, and each is two files of one name."""

import pytest
from loopback.machine import NO_NETWORK, READ_ONLY

import mlzoo

BULK, SHEAR = "megnet-tf-mp-2018.6.1-log10k", "megnet-tf-mp-2018.6.1-log10g"
FILES = {BULK: ["log10K.hdf5", "log10K.hdf5.json"], SHEAR: ["log10G.hdf5", "log10G.hdf5.json"]}

LOAD = """
import sys
import mlzoo
model = mlzoo.load(sys.argv[1], verify=True)
print(*(f"{name}={digest}" for name, digest in sorted(model.provenance["sha256"].items())))
"""


@pytest.fixture(autouse=True)
def _published(web, shared):
    for name, files in FILES.items():
        for file in files:
            web.files[f"{mlzoo.card(name).sources[0]}{file}"] = (
                shared / "weights/megnet-tf/mp-2018.6.1" / file
            ).read_bytes()


def said(name: str) -> str:
    (source,) = mlzoo.card(name).sources
    return " ".join(f"{file}={known.sha256}" for file, known in sorted(source.files.items()))


def test_two_of_one_folder_are_fetched_one_after_the_other_and_load_again_without_a_network(behind_web, web):
    for name in (BULK, SHEAR):
        web.requests.clear()
        assert said(name) in behind_web.python(LOAD, name)
        assert [request.path.rpartition("/")[2] for request in web.requests] == FILES[name]
    web.requests.clear()
    for name in (BULK, SHEAR):
        assert said(name) in behind_web.python(LOAD, name, before=READ_ONLY + NO_NETWORK)
    assert web.requests == []


def test_upstreams_name_is_the_same_weight(behind_web, web):
    assert said(SHEAR) in behind_web.python(LOAD, "logG_MP_2018")
    assert "checked" in behind_web.run("fetch", SHEAR)
    assert len(web.requests) == 2


def test_the_page_beside_is_held_to_its_checksum_as_well(behind_web, web):
    (url,) = [url for url in web.files if url.endswith("log10K.hdf5.json")]
    web.files[url] = web.files[url].replace(b'"cutoff": 4.0', b'"cutoff": 5.0')
    refused = behind_web.run("fetch", BULK, status=1)
    assert "log10K.hdf5.json of " in refused
    assert "is not what it should be: sha256 " in refused
