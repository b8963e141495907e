"""Reading results, scores, intervals, tables and figures without a model loads neither Keras nor TensorFlow."""

import subprocess
import sys

from tests.conftest import ROOT

READING = """
import sys
from pathlib import Path
from keras_landslide import paper, scores
from keras_landslide.files.atomic import read_json
from keras_landslide.results import card, comparisons, figures, paired, report, result, run_record, run_report, tables
from keras_landslide.pictures import learning_curves

folder, out = map(Path, sys.argv[1:])
row = paper.row("pspnet_mobilenet_v2")
content = read_json(folder / "pspnet_mobilenet_v2.json")
print(tables.all_tables(result.read_results(folder))[0].markdown())
print("\\n".join(report.report_lines(content, row)))
counts = content["per_image"]
print(scores.interval(counts, content["groups"], scores.mean_iou))
pair = paired.Pair(("one", "other"), ("one", "other"))
print("\\n".join(pair.table({"all": pair.line(counts, counts, content["groups"], scores.landslide_iou)})))
learning_curves(content["history"], out / "curves.png", row.title)
scored = run_record.Scores("original", counts, content["groups"])
said = run_record.RunSettings(run_record.Settings())
run = run_record.RunRecord(folder, said, None, (), scored, None, {})
assert "Beside the paper" in run_report.report_page(run, {}, "no data")
figures.write_figure(lambda: figures.learning_curves(result.firsts(result.read_results(folder))), out, "rows")
loaded = {name.partition(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax", "torch"}
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""


def test_numbers_are_read_without_tensorflow(tmp_path):
    command = [sys.executable, "-c", READING, str(ROOT / "results"), str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "MobileNet" in ended.stdout and (tmp_path / "curves.png").is_file()
    control = "import sys\nimport keras_landslide.models\n" + READING[READING.index("loaded = ") :]
    ended = subprocess.run([sys.executable, "-c", control], cwd=ROOT, capture_output=True, text=True)
    assert "loaded: " in ended.stderr
