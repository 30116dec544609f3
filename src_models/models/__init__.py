"""A model as data: settings, description, weights, and where its file is. Imports no Keras.

`config` holds the settings of RDN and RRDN and lists their convolutions. `description` is what a
model file says about its model: scale, channels, intensities, overlap, training. `weights` reads
weights without Keras. `registry` finds a model by name: included in the package or `published`
by ISR and fetched by `download`, or the user's own (`user_models`). `isr_files` and `isr_config`
read ISR's weight files; `onnx_files`, `onnx_graph`, `onnx_probe` and `onnx_config` read ONNX files.
"""
