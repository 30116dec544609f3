"""What runs a network: OpenVINO, ONNX Runtime or Keras; which one is chosen, and what it costs.

`opening` chooses an engine and opens a model in it. `graph` defines each network as a walk over
operations; `openvino_graph` and `onnx_engine` build their graphs from it. `memory` chooses the
tile size from the free memory, `timing` estimates the run time. `self_ensemble` averages eight
rotated and mirrored copies. `shared_model` takes a model to other processes.
"""
