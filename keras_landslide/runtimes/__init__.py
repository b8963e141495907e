"""Models in other runtimes: OpenVINO, ONNX, LiteRT; exported, compared, kept.

It may import `models` and the rooms before it.
"""
