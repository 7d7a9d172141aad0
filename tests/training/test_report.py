"""The page says the numbers, stands alone, and lets nothing of its input become markup."""

import base64
import re

import numpy as np
import pytest
from ase.build import bulk

import mlzoo
from mlzoo.structures import structure_from
from mlzoo.training.data import Example
from mlzoo.training.evaluation import Failure, evaluate
from mlzoo.training.report import facts_of, html_report

EVIL = "<script>alert('x')</script>$\\frac$"


@pytest.fixture(scope="module")
def model():
    return mlzoo.load("mace-xtb-organic", dtype="float64", device="cpu")


@pytest.fixture(scope="module")
def page(model) -> str:
    examples = []
    for place in range(6):
        atoms = bulk("C", a=3.5 + 0.05 * place, cubic=True)
        atoms.rattle(0.05, seed=place)
        said = model.predict(atoms)
        labels = {"energy": said["energy"] - 0.9872, "forces": said["forces"] - 0.2718}
        examples.append(Example(structure_from(atoms), labels, group=[EVIL, "b"][place % 2], source=f"{EVIL}:{place}"))
    evaluation = evaluate(model, [*examples, Failure(EVIL, "UnreadableFile", EVIL)])
    curve = [{"epoch": n, EVIL: 1.0, "train_loss": 1 / (n + 1), "validation": {"loss": 2 / (n + 1)}} for n in range(5)]
    return html_report(evaluation, facts_of(model), files=[EVIL], curve=curve, heading=EVIL)


def test_it_says_errors_with_units_and_the_facts_of_the_card(page, model):
    for said in (
        "123.4",
        "meV/atom",
        "0.2718",
        "eV/Å",
        "mace-xtb-organic",
        "MIT License",
        model.card.training_data[:30],
    ):
        assert said.replace("'", "&#x27;") in page
    assert "root of the mean of its square" in page


def test_it_loads_nothing(page):
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    loads = re.findall(
        r"(?:src|href|action|data|srcset|poster)\s*=|url\(|@import|<script|<link|<iframe|<object", without_pictures
    )
    assert loads == ["src="] * page.count("<img")
    assert set(re.findall(r'src="([^,]*),', page)) == {"data:image/png;base64"}
    assert "default-src 'none'" in page


def test_pictures_are_pictures(page):
    """Energy and forces; a loss that train and validation share; the series with the odd name."""
    pictures = re.findall(r"base64,([^\"]+)", page)
    assert len(pictures) == 4
    assert all(base64.b64decode(each).startswith(b"\x89PNG") for each in pictures)
    assert "loss: train ends at 0.2000, validation ends at 0.4000" in page


def test_names_are_text_and_not_markup(page):
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


def test_where_nothing_could_be_compared_it_says_so(model):
    evaluation = evaluate(model, [Example(structure_from(bulk("Fe")), {"energy": np.float64(0.0)}, source="iron")])
    page = html_report(evaluation, facts_of(model))
    assert "Nothing could be compared." in page
    assert "the structure contains Fe" in page
    assert not re.search(r"\bnan\b", page.lower())
