"""The pages for those who come from another code: what they show runs, and its settings are settings."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

import mlzoo
from mlzoo import zoo
from mlzoo.training.settings import checked

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "coming-from-mace-torch": {
        "my.model": "mace-torch/tiny-scaleshift.model",
        "several-heads.model": "mace-torch/multihead-like.model",
        "charges.model": "mace-torch/omol-like.model",
        "run_1.model": "mace-real/mace02_com1.model",
        "run_2.model": "mace-real/mace02_com2.model",
    },
    "coming-from-mlip": {"my.zip": "mlip/v01_scalar_only_ns0_e0zero.zip"},
}
each_page = pytest.mark.parametrize("page", PAGES)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.M | re.S)


@each_page
def test_what_is_shown_runs(page, shared, tmp_path, monkeypatch, quiet):
    monkeypatch.setattr(zoo, "inference_form", lambda model: model)  # it takes seconds to make, and changes no number
    for name, file in PAGES[page].items():
        shutil.copy(shared / "weights" / file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    assert abs(names["result"]["energy"] - names["result"]["energies"].sum()) < 1e-6


@each_page
def test_its_training_settings_are_ours(page):
    (said,) = blocks(page, "yaml")
    assert checked(yaml.safe_load(said), page).num_epochs in (200, 220)


@each_page
def test_the_names_of_models_on_it_are_known(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    cards = re.findall(r"`(mace-(?:mp|mpa|off|omol|ani|spice|organics)[\w-]*)`", text)
    for name in {*cards, *re.findall(r'load\("([\w-]+)"\)', text)}:
        assert mlzoo.card(name)


@each_page
def test_its_links_lead_somewhere(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for file, anchor in re.findall(r"\]\(([\w.-]*)#?([\w-]*)\)", text):
        there = (DOCS / (file or f"{page}.md")).read_text(encoding="utf-8")
        titles = [
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", there, re.M)
        ]
        assert not anchor or anchor in titles, (file, anchor)
