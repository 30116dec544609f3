"""Features of VGG19, in which a perceptual loss compares images.

References
----------
.. [1] Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
   Recognition", ICLR 2015, https://arxiv.org/abs/1409.1556
.. [2] Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
   ECCV 2016, https://arxiv.org/abs/1603.08155
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from src_models.checks import check_whole
from src_models.errors import DownloadError, InvalidInputError, ModelFileError
from src_models.models.download import keras_folder
from src_models.models.isr_files import read_tensors
from src_models.networks.backend import keras

logger = logging.getLogger(__name__)

IMAGENET = "imagenet"
_FILENAME = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{_FILENAME}"
_MD5 = "253f8cb515780f3b799900260a226db6"
_NUM_LAYERS = 22
# Mean colour of ImageNet's photos, of 255.
_MEAN_BGR = (103.939, 116.779, 123.68)
# Layers that halve height and width.
_POOLS = (3, 6, 11, 16, 21)


class Cut_VGG19:
    """VGG19 [1]_ up to the layers whose outputs are wanted, with ISR's arguments.

    Parameters
    ----------
    patch_size : int
        Width and height of the high-resolution training patches.
    layers_to_extract : sequence of int
        Which layers' outputs, counted as Keras does: 0 is the input, 5 is ``block2_conv2``, 9 is
        ``block3_conv3``, 21 the last.
    weights : "imagenet", str, Path or None
        Keras' weights from ImageNet, downloaded on first use; a local file of VGG19's weights
        (with or without its last layers); or None for random ones, whose features mean little.
    c_dim : int
        Number of image channels: 3, or 1, which is repeated to 3.

    Attributes
    ----------
    model : keras.Model
        ``(B, patch_size, patch_size, c_dim)``, intensities in [0, 1] and RGB, to a list with the
        features of each layer. ISR feeds such intensities to VGG19 as they are; here they are
        prepared as VGG19 was trained on them.
    weights : str or None
        What the features were learnt from: ``"imagenet"``, the path of a file, or None.
    name : str
        ``"vgg19"``.

    Raises
    ------
    InvalidInputError
        If a setting does not fit.
    DownloadError
        If Keras' weights are neither in its cache nor reachable.
    ModelFileError
        If a local file cannot be read or lacks a layer.
    """

    name: ClassVar[str] = "vgg19"

    def __init__(
        self,
        patch_size: int,
        layers_to_extract: Sequence[int],
        weights: str | Path | None = IMAGENET,
        c_dim: int = 3,
    ) -> None:
        self.patch_size = check_whole("patch_size", patch_size)
        self.layers_to_extract = _check_layers(layers_to_extract, patch_size)
        if c_dim not in (1, 3):
            raise InvalidInputError(
                "VGG19 sees images of 3 channels, or of 1 that is repeated. "
                f"Received: c_dim={c_dim!r}. Leave the perceptual loss out for such images."
            )
        self.input_shape = (patch_size, patch_size, c_dim)
        self.weights = None if weights is None else str(weights)
        image = keras.Input(self.input_shape, name="HR")
        self.model = self._build(image)
        self.model.trainable = False
        logger.info("VGG19 features of layers %s: %s.", layers_to_extract, self.in_words)

    @property
    def in_words(self) -> str:
        """Where the features come from, for people."""
        if self.weights is None:
            return "random weights, whose features mean little"
        if self.weights == IMAGENET:
            return "Keras' weights, learnt on ImageNet"
        return f"weights from {self.weights}"

    def _build(self, image: Any) -> keras.Model:
        prepared = _as_vgg_knows(image)  # (B, patch_size, patch_size, 3)
        shape = (None, None, prepared.shape[-1])
        vgg = keras.applications.VGG19(include_top=False, weights=None, input_shape=shape)
        own = [prepared]  # 0 stands for what VGG19's own layers are given
        # No further than is wanted: small patches do not survive all its pools.
        for layer in vgg.layers[1 : max(self.layers_to_extract) + 1]:
            own.append(layer(own[-1]))
        features = [own[i] for i in self.layers_to_extract]
        model = keras.Model(image, features, name="feature_extractor")
        if self.weights is not None:
            path = _download() if self.weights == IMAGENET else Path(self.weights).expanduser()
            _set_weights(model, path)
        return model


def _as_vgg_knows(image: Any) -> Any:
    """Turn RGB or grey in [0, 1] into what VGG19 was trained on: BGR around ImageNet's mean."""
    if image.shape[-1] == 1:
        bgr = keras.layers.Concatenate(name="BGR")([image] * 3)  # (B, patch, patch, 3)
    else:
        bgr = keras.ops.flip(image, axis=-1)
    return keras.layers.Rescaling(255.0, [-m for m in _MEAN_BGR], name="around_mean")(bgr)


def _check_layers(layers: Sequence[int], patch_size: int) -> list[int]:
    chosen = list(layers)
    if not chosen:
        raise InvalidInputError(
            "layers_to_extract must name at least one layer of VGG19. Received: none."
        )
    for layer in chosen:
        if check_whole("layers_to_extract", layer, 0) >= _NUM_LAYERS:
            raise InvalidInputError(
                f"layers_to_extract must be numbers of VGG19's layers, 0 to {_NUM_LAYERS - 1}. "
                f"Received: {chosen!r}."
            )
    least = 2 ** sum(pool <= max(chosen) for pool in _POOLS)
    if patch_size < least:
        raise InvalidInputError(
            f"Layer {max(chosen)} of VGG19 needs patches of at least {least} pixels. "
            f"Received: patch_size={patch_size}."
        )
    return chosen


def _download() -> Path:
    """Return Keras' own file of weights, from its cache if it is there."""
    try:
        return Path(keras.utils.get_file(_FILENAME, _URL, cache_subdir="models", file_hash=_MD5))
    except Exception as error:  # Keras raises plain exceptions when a download fails
        raise DownloadError(
            f"The file {_FILENAME} (80 MB), VGG19's weights from ImageNet, could not be downloaded "
            f"from {_URL} ({error}). Download it by other means and put it into the folder "
            f"{str(keras_folder() / 'models')!r}, pass its path as weights=..., or pass "
            "weights=None for random features."
        ) from error


def _set_weights(model: keras.Model, path: Path) -> None:
    tensors = read_tensors(path)
    for layer in model.layers:
        if not layer.weights:
            continue
        own = [t for name, t in tensors.items() if name.split("/")[0] == layer.name]
        # By their rank: what the tensors are called has changed over the years.
        values: list[Any] = sorted(own, key=lambda t: -t.ndim)
        if [v.shape for v in values] != [tuple(w.shape) for w in layer.weights]:
            raise ModelFileError(
                f"{path.name!r} does not hold VGG19's weights: of the layer {layer.name} it has "
                f"tensors of the shapes {[v.shape for v in values]}, not "
                f"{[tuple(w.shape) for w in layer.weights]}. Choose a file that Keras made."
            )
        layer.set_weights(values)
