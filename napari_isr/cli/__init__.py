"""The command `napari-isr`. Imports no Qt.

`app` declares the commands; `upscale`, `train`, `models` and `info` carry them out; `output` writes
lines for people and holds the exit codes.
"""
