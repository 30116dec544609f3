"""A model for other programs: ONNX, OpenVINO, the BioImage Model Zoo.

`export_model` is the front door. `portable` writes ONNX and OpenVINO files that map intensities
themselves. `bioimageio` packs one for the BioImage Model Zoo, with a `model_card` and `examples`.
"""
