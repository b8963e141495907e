"""What the tests of maps share."""

import pytest

from keras_landslide.mapping import blocks


@pytest.fixture
def small_blocks(monkeypatch) -> int:
    """Blocks of so many pixels a side wherever nobody says another: small scenes then have several."""
    side = 100
    monkeypatch.setattr(blocks.blocks, "__defaults__", (side,))
    return side
