"""The networks in Keras. Only this package and `training` import Keras.

`rdn`, `rrdn`, `discriminator` and `vgg19` build them, with `layers` below. `image_model` gives RDN
and RRDN the interface of the ISR package. `initialization` makes a new network start as an
interpolation. `model_files` saves and loads models. `keras_engine` runs a network for `engines`,
`mixed_precision` in half precision where the hardware supports it. `backend` imports Keras so that
TensorFlow and OpenGL do not crash each other.
"""
