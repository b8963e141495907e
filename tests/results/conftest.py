"""Paired experiments from end to end, quickly; files of results with counts made by hand."""

import functools
import json
from pathlib import Path

import pytest

from keras_landslide.data.dataset import load_split


@functools.cache
def known_split(*arguments, **options):
    """`load_split`, once for each part of the data that this process is asked for."""
    return load_split(*arguments, **options)


@pytest.fixture
def quickly(bijie, tmp_path, monkeypatch, capsys):
    """A function that runs `experiments/<name>.py --quick` on real images with a small network in the place of the row.

    It returns the exit code, the result and what was printed. The rows themselves are trained by `test_quick`. Keras is
    loaded here, because tests of tables and figures need none.
    """
    from keras_landslide.results import reproduce
    from keras_landslide.training import plan
    from tests.results.test_experiments import loaded
    from tests.small import small_network

    monkeypatch.setattr(plan, "initialise_backbone", lambda network, name, weights: [])

    def with_known_splits(script):
        """A split is immutable, and looking at a thousand images takes seconds."""
        for module in (reproduce, script):
            if hasattr(module, "load_split"):
                monkeypatch.setattr(module, "load_split", known_split)
        return script

    def quick(name: str, *arguments) -> tuple[int, dict, str]:
        given = ["--quick", "--data", bijie, "--out", tmp_path / "run", "--results", tmp_path / "results", *arguments]
        with small_network(), pytest.raises(SystemExit) as stop:
            with_known_splits(loaded(name)).main([str(argument) for argument in given])
        printed = capsys.readouterr()
        content = json.loads((tmp_path / "results" / f"{name}.json").read_text())
        return stop.value.code, content, printed.out + printed.err

    return quick


def result_content(per_image: dict, groups: dict | None = None, *, seed: int = 0, **more) -> dict:
    """What a result's file holds at least, with counts [[TN, FP], [FN, TP]] by image, and `more`.

    Without `groups` every image is one of its own.
    """
    scored = {"labels": "original", "groups": groups or {name: name for name in per_image}, "per_image": per_image}
    phases = [("frozen", 0.5), ("unfrozen", 0.7), ("unfrozen", 0.6)]
    history = [
        {"epoch": place + 1, "phase": phase, "val_miou": score, "val_loss": 1 - score, "miou": score, "loss": 1 - score}
        for place, (phase, score) in enumerate(phases)
    ]
    run = {
        "settings": {"image_size": 64, "precision": "mixed_bfloat16"},
        "machine": {"cores": 2},
        "versions": {},
        "validation": {"miou": 0.7},
    }
    return {
        **scored,
        **run,
        "split": "auto",
        "seed": seed,
        "date": "2026-11-28",
        "minutes": 3.2,
        "history": history,
        **more,
    }


@pytest.fixture
def stored(tmp_path):
    """A function that writes `<row>.json`, or that of a seed, to a folder of results, which it returns.

    It takes the row's name and what `result_content` takes.
    """

    def store(row: str, per_image: dict, groups: dict | None = None, *, seed: int = 0, **more) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        name = f"{row}_seed{seed}.json" if seed else f"{row}.json"
        (folder / name).write_text(json.dumps(result_content(per_image, groups, seed=seed, **more)))
        return folder

    return store
