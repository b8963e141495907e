"""What `keras-landslide models` lists: the table that ships is that of the models."""

import pytest

from keras_landslide import settings
from keras_landslide.cli import main
from keras_landslide.models import ARCHITECTURES, BACKBONES
from keras_landslide.models.costs import model_cost
from keras_landslide.results.catalogue import SHIPPED, catalogue


def test_the_table_needs_no_model(capsys, monkeypatch):
    monkeypatch.setattr("keras_landslide.cli.models.load_tensorflow", lambda: pytest.fail("loaded"))
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "At 473×473 pixels, output stride 8 (U-Net has none):" in lines
    assert "pspnet_mobilenet_v2 2.41 M 8.4 bn PSPNet (MobileNet)" in [" ".join(line.split()) for line in lines]
    assert len([line for line in lines if " bn" in line]) == 15


@pytest.mark.parametrize("name", ["deeplabv3plus_mobilenet", "pspnet_mobilenet_v2"])
def test_the_table_holds_what_models_cost(name):
    """Two of its lines; all of them in tests/test_readme.py."""
    (entry,) = (entry for entry in catalogue(*SHIPPED) if entry.name == name)
    cost = model_cost(entry.architecture, entry.backbone, *SHIPPED)
    assert (entry.parameters, entry.multiply_adds) == (cost.parameters, cost.multiply_adds)


def test_the_names_that_help_lists_are_those_that_can_be_built():
    assert list(settings.ARCHITECTURES) == list(ARCHITECTURES) and list(settings.BACKBONES) == list(BACKBONES)
