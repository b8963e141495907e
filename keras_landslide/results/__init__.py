"""From a row of the paper to a file in `results/`, and from those files to tables and figures.

`reproduce` and `diagrams` may import every room before; the others neither Keras nor TensorFlow.
"""
