"""A run that is killed, wherever, and goes on ends bit for bit like one that was left alone: CPU, float64."""

import importlib
import multiprocessing
import os
import random
import signal
import time

import numba
import pytest
import torch
from training.runs import labelled, settings, tensors, trained

LIVES = multiprocessing.get_context("forkserver")
LIVES.set_forkserver_preload(["mlzoo.training.run"])  # once for all lives


def life(said, cache, fatal=None):
    """One process; ``fatal`` is a module and its function that kills when it is called the fifth time."""
    numba.config.CACHE_DIR = str(cache)
    torch.set_num_threads(1)
    if fatal:
        module, name = importlib.import_module(fatal[0]), fatal[1]
        kept, calls = getattr(module, name), []

        def kill(*arguments):
            calls.append(arguments)
            if len(calls) == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return kept(*arguments)

        setattr(module, name, kill)
    trained(said)


def begun(*arguments):
    """A process with the ``life`` of these arguments."""
    run = LIVES.Process(target=life, args=arguments)
    run.start()
    return run


def lived(said, cache):
    """A run to its end."""
    run = begun(said, cache)
    run.join()
    assert run.exitcode == 0


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("data") / "metals.xyz")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where Numba keeps what it compiles: nothing yet."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(file, cache, tmp_path_factory):
    """The weight of a run that compiles its loops; all later ones load them."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    lived(settings(file, folder, num_epochs=4), cache)
    return tensors(folder)


@pytest.mark.parametrize("fatal", [("torch", "save"), ("os", "fsync")])
def test_a_kill_inside_the_writing_of_a_checkpoint_loses_nothing(file, cache, whole, tmp_path, fatal):
    """Before anything is written, and when it is written but not in its place."""
    said = settings(file, tmp_path / "killed", num_epochs=4)
    killed = begun(said, cache, fatal)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model").exists()
    lived(said, cache)
    assert tensors(tmp_path / "killed") == whole


def epochs_done(folder):
    log = folder / "log.csv"
    return max(0, log.read_bytes().count(b"\n") - 1) if log.is_file() else 0


def killed_at_random(file, cache, folder, epochs, kills):
    """Kill so many times, each in its part of the run, and let it go on; at the end it must be as if nothing had been."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"\nkilled at random: seed {seed}")
    rng = random.Random(seed)
    start = time.monotonic()
    changing = {"num_epochs": epochs, "schedule": {"patience": 1}}
    lived(settings(file, folder / "whole", **changing), cache)
    each = (time.monotonic() - start) / epochs
    said = settings(file, folder / "killed", **changing)
    for number in range(kills):
        part = (epochs - 8) / kills
        epoch = int(part * (number + rng.random()))
        run = begun(said, cache)
        while epochs_done(folder / "killed") < epoch and run.is_alive():
            time.sleep(0.002)
        time.sleep(rng.random() * each)
        run.kill()
        run.join()
        assert run.exitcode == -signal.SIGKILL
        print(f"kill {number + 1}: after {epochs_done(folder / 'killed')} of {epochs} epochs")
    lived(said, cache)
    assert tensors(folder / "killed") == tensors(folder / "whole")
    assert (folder / "killed" / "log.csv").read_bytes() == (folder / "whole" / "log.csv").read_bytes()


def test_two_kills_at_random_moments_lose_nothing(file, cache, whole, tmp_path):
    killed_at_random(file, cache, tmp_path, epochs=20, kills=2)


@pytest.mark.long
def test_ten_kills_at_random_moments_lose_nothing(file, cache, whole, tmp_path):
    killed_at_random(file, cache, tmp_path, epochs=100, kills=10)
