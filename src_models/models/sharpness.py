"""Networks between a faithful one and a sharp one that was fine-tuned from it, by name.

``"photo-sharp-x4@0.3"`` is the network whose weights are 0.3 of those of ``photo-sharp-x4`` and
0.7 of those of ``photo-x4``: ESRGAN's network interpolation [1]_. 0 is the faithful one, 1
looks sharpest. Free of Keras.

References
----------
.. [1] Wang et al., ECCVW 2018, https://arxiv.org/abs/1809.00219, section 3.4
"""

from __future__ import annotations

from pathlib import Path

from src_models.errors import ModelFileError
from src_models.models.description import ModelDescription
from src_models.models.registry import describe_model, find_model, split_sharpness
from src_models.models.weights import Weights, read_weights


def weights_of(path_or_name: str | Path, description: ModelDescription) -> Weights:
    """Read the weights of a model, interpolated if its name says so.

    Parameters
    ----------
    path_or_name : str or Path
        As for `load_model`.
    description : ModelDescription
        Its description.

    Raises
    ------
    ModelFileError
        If a file cannot be used, or the two networks are not alike.
    """
    sharp = read_weights(find_model(path_or_name), description.network)
    _, sharpness = split_sharpness(path_or_name)
    if sharpness == 1:
        return sharp
    other = describe_model(description.faithful)
    if other.config != description.config:
        raise ModelFileError(
            "Only networks that are alike have others between them. Received: "
            f"{description.name!r} and {description.faithful!r}. Use either of them."
        )
    faithful = read_weights(find_model(description.faithful), other.network)
    return {
        name: sharpness * values + (1 - sharpness) * faithful[name]
        for name, values in sharp.items()
    }
