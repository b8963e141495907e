"""Paired experiments from end to end, quickly."""

import json

import pytest

from keras_landslide.training import plan
from tests.results.test_experiments import loaded
from tests.small import small_network


@pytest.fixture
def quickly(bijie, tmp_path, monkeypatch, capsys):
    """A function that runs `experiments/<name>.py --quick` on real images with a small network in the place of the row.

    It returns the exit code, the result and what was printed. The rows themselves are trained by `test_quick`.
    """
    monkeypatch.setattr(plan, "initialise_backbone", lambda network, name, weights: [])

    def quick(name: str, *arguments) -> tuple[int, dict, str]:
        given = ["--quick", "--data", bijie, "--out", tmp_path / "run", "--results", tmp_path / "results", *arguments]
        with small_network(), pytest.raises(SystemExit) as stop:
            loaded(name).main([str(argument) for argument in given])
        printed = capsys.readouterr()
        content = json.loads((tmp_path / "results" / f"{name}.json").read_text())
        return stop.value.code, content, printed.out + printed.err

    return quick
