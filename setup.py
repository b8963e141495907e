"""Packaging: `pip install .` for users, `pip install ".[test]"` for the tests."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search('__version__ = "(.+)"', (HERE / "keras_landslide/__init__.py").read_text(encoding="utf-8"))[1]
DASK = ["dask[distributed]>=2026.8"]  # what the tests run on: its versions are dates, and promise nothing of others
EXPORT = [  # at least what the tests run on: converters follow each other closely
    "onnx>=1.23",
    "tf2onnx>=1.17",
    "onnxruntime>=1.32",
    "openvino>=2026.4",
    "ai-edge-litert>=2.3",  # TensorFlow's own interpreter is deprecated in its favour
]
GEO = [  # the first for NumPy 2, or the first with wheels for Python 3.13
    "rasterio>=1.4",  # reads scenes with their georeference
    "pyogrio>=0.10",  # reads and writes GeoPackages, without pandas
    "shapely>=2.1",  # works on whole arrays of outlines, and turns their rings as GeoJSON wants them
    "pyproj>=3.7",  # coordinates and areas on the earth
    "affine>=3",  # which rasterio brings; the first that is multiplied with @
]
JAX = ["jax>=0.10"]  # what the tests run on
TENSORBOARD = ["tensorboard>=2.20"]  # of the age of TensorFlow

setup(
    name="keras-landslide",
    version=VERSION,
    description="Landslides in satellite images with Keras: U-Net, DeepLabv3+ and PSPNet on the Bijie dataset",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.14",  # 3.13: the newest with TensorFlow wheels
    packages=[*find_packages(include=["keras_landslide", "keras_landslide.*"]), "keras_landslide.weights"],
    package_dir={"keras_landslide.weights": "weights"},  # the top-level folder travels inside the wheel
    package_data={
        "keras_landslide": ["py.typed", "page.css"],
        "keras_landslide.data": ["*.csv"],
        "keras_landslide.mapping": ["*.qml"],
        "keras_landslide.results": ["*.csv", "*.md"],
        "keras_landslide.weights": ["*.md", "*.h5", "*.json"],
    },
    install_requires=[
        "tensorflow>=2.20",  # the first for Python 3.13 and NumPy 2.1 and later
        "keras>=3.15",  # what the tests run on: weights are mapped by how this writes .weights.h5 files
        "numpy>=2.0",
        "h5py>=3.11",  # variable-length attributes under NumPy 2
        "opencv-python-headless>=4.10",  # same cv2 as opencv-python, which needs libGL and fails on a plain server
        "pillow>=10.3",  # reads palette masks as class numbers, where OpenCV gives their colours
        "tqdm>=4.66",
        "pydantic>=2",  # checks what weights files say of themselves; the first with strict dataclasses
        "matplotlib>=3.9",
    ],
    extras_require={
        "dask": DASK,
        "export": EXPORT,
        "geo": GEO,
        "jax": JAX,
        "tensorboard": TENSORBOARD,
        # every ruff formats a little differently
        "test": [
            "filelock>=3",
            "geopandas>=1",  # a second opinion on outlines
            "import-linter>=2.6",  # the first with a contract against circles
            "mypy>=2",
            "pytest>=8",
            "pytest-cov>=5",
            "pytest-xdist>=3.6",
            "rio-cogeo>=7",  # whether a GeoTIFF is cloud-optimised
            "ruff==0.17.6",
            "setuptools>=64",
            "wheel",
            *DASK,
            *EXPORT,
            *GEO,
            *JAX,
            *TENSORBOARD,
        ],
    },
    entry_points={"console_scripts": ["keras-landslide=keras_landslide.cli:run"]},
)
