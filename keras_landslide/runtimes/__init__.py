"""Models in other runtimes: OpenVINO, ONNX, LiteRT, and in the QGIS plugin Deepness; exported, compared, kept.

It may import `models` and the rooms before it.
"""
