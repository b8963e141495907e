"""Every experiment with --quick, into a temporary folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("table5_*.py"))
RESULT_KEYS = {"settings", "seed", "machine", "versions", "date", "minutes", "history"}


def run(script, *arguments):
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    environment["KERAS_LANDSLIDE_BACKBONES"] = str(ROOT.parent / "shared" / "imagenet")
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("script", EXPERIMENTS, ids=lambda script: script.stem)
def test_quick(script, bijie, tmp_path):
    before = {path: path.read_bytes() for path in (ROOT / "results").iterdir()}
    done = run(script, "--quick", "--data", bijie, "--out", tmp_path / "run", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "results").glob("*.json")
    content = json.loads(result.read_text())
    assert set(content) >= RESULT_KEYS
    assert result.stem == f"{content['settings']['architecture']}_{content['settings']['backbone']}"
    assert content["images"] == 8 and len(content["history"]) == 2
    assert {path: path.read_bytes() for path in (ROOT / "results").iterdir()} == before


def test_quick_never_replaces_a_real_result():
    done = run(EXPERIMENTS[0], "--quick")
    assert done.returncode == 2 and "wants its own --out" in done.stderr
