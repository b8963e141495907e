"""The style of outlines in QGIS: what it names is there, and QGIS itself, where it is installed, draws it."""

import itertools
import json
import os
import shutil
import subprocess
from importlib import resources
from xml.etree import ElementTree

import pytest
import shapely

from keras_landslide.mapping.vectors import write_layer

LEVELS = [0.0, 0.7, 0.85, 1.0]
IN_QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=landslides", "outlines", "ogr")
layer.loadNamedStyle(sys.argv[2])
found = {"type": layer.renderer().type(), "count": layer.featureCount(), "crs": layer.crs().authid()}
if found["type"] == "graduatedSymbol":
    found["column"] = layer.renderer().classAttribute()
    found["ranges"] = [[one.lowerValue(), one.upperValue(), one.symbol().color().name()]
                       for one in layer.renderer().ranges()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def style():
    with resources.as_file(resources.files("keras_landslide.mapping") / "outlines.qml") as path:
        yield path


def test_each_range_has_a_symbol_of_its_own_and_they_meet(style):
    (renderer,) = ElementTree.parse(style).getroot().iter("renderer-v2")
    assert renderer.get("type") == "graduatedSymbol"  # of another name QGIS makes one symbol for all, and says nothing
    ranges = [(float(one.get("lower")), float(one.get("upper"))) for one in renderer.iter("range")]
    assert ranges == list(itertools.pairwise(LEVELS))
    used = [one.get("symbol") for one in renderer.iter("range")]
    assert used == [one.get("name") for one in renderer.find("symbols")] and len(set(used)) == 3


def test_qgis_draws_outlines_by_their_mean_probability(style, tmp_path):
    python = shutil.which("python3", path=os.defpath)
    if python is None or subprocess.run([python, "-c", "import qgis.core"], capture_output=True).returncode:
        pytest.skip("QGIS is not installed for the system's Python")
    columns = {"mean_probability": [0.5, 0.9]}
    boxes = [shapely.box(0, 0, 9, 9), shapely.box(20, 0, 29, 9)]
    write_layer(tmp_path / "outlines.gpkg", "landslides", boxes, columns, "EPSG:32648")
    told = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    told.pop("PYTHONPATH", None)
    command = [python, "-c", IN_QGIS, str(tmp_path / "outlines.gpkg"), str(style)]
    done = subprocess.run(command, capture_output=True, text=True, env=told)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["type"], found["column"]) == ("graduatedSymbol", "mean_probability")
    assert (found["count"], found["crs"]) == (2, "EPSG:32648")
    assert [one[:2] for one in found["ranges"]] == [list(one) for one in itertools.pairwise(LEVELS)]
    assert len({colour for *_, colour in found["ranges"]}) == 3
