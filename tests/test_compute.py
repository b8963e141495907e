"""What `auto` and `all` stand for on a machine."""

import pytest

from keras_landslide import compute
from keras_landslide.errors import LandslideError
from keras_landslide.settings import Settings


@pytest.mark.parametrize(
    ("backbone", "flags", "precision"),
    [
        ("mobilenet_v2", {"avx512_bf16", "avx2"}, "mixed_bfloat16"),
        ("resnet50", {"amx_bf16"}, "mixed_bfloat16"),
        ("xception", {"avx512_bf16"}, "float32"),
        ("mobilenet_v2", {"avx2", "avx512f"}, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_it_gains(monkeypatch, backbone, flags, precision):
    monkeypatch.setattr(compute, "processor_flags", lambda: flags)
    assert compute.resolved(Settings(backbone=backbone, precision="auto")).precision == precision
    assert compute.resolved(Settings(backbone=backbone)).precision == "float32"


def test_auto_compiles_on_a_gpu_and_not_on_tensorflows_processor(monkeypatch):
    assert compute.resolved(Settings()).jit == "off"
    monkeypatch.setattr(compute, "_physical", lambda kind: ["a GPU"])
    assert compute.resolved(Settings()).jit == "on"
    assert compute.resolved(Settings(jit="off")).jit == "off"


def test_devices_that_are_not_there():
    with pytest.raises(LandslideError, match="--devices 3 is not possible: this machine has 1; give that or all"):
        compute.resolved(Settings(devices=3))
    assert compute.resolved(Settings(devices="all")).devices == 1
    with pytest.raises(LandslideError, match="--devices 0 is not possible; give a number of 1 or more, or all"):
        Settings(devices=0)
