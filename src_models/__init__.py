"""Super-resolution of images with residual dense networks.

Nothing heavy is imported until it is used: ``import src_models`` costs no Keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src_models.back_projection import keep_intensities
    from src_models.consistency import measure_consistency
    from src_models.description import ModelDescription, read_description
    from src_models.discriminator import Discriminator
    from src_models.engines import open_engine
    from src_models.error_estimate import expected_error
    from src_models.errors import SuperResolutionError
    from src_models.export import export_model
    from src_models.image_checks import check_image
    from src_models.image_io import read_image, write_image
    from src_models.model_io import load_model
    from src_models.overlap import measure_overlap
    from src_models.predict import upscale, upscale_steps
    from src_models.pretrained import describe_model, model_names
    from src_models.rdn import RDN
    from src_models.resolution import (
        ResolutionCurve,
        decorrelation_analysis,
        fourier_ring_correlation,
    )
    from src_models.rrdn import RRDN
    from src_models.trainer import Trainer
    from src_models.training_config import TrainingSettings
    from src_models.training_events import TrainingControl
    from src_models.uncertainty import upscale_with_uncertainty
    from src_models.upscale_zarr import upscale_to_zarr, upscale_to_zarr_steps
    from src_models.vgg19 import Cut_VGG19

_HOME = {
    "Cut_VGG19": "vgg19",
    "Discriminator": "discriminator",
    "RDN": "rdn",
    "RRDN": "rrdn",
    "ModelDescription": "description",
    "ResolutionCurve": "resolution",
    "SuperResolutionError": "errors",
    "check_image": "image_checks",
    "decorrelation_analysis": "resolution",
    "describe_model": "pretrained",
    "Trainer": "trainer",
    "TrainingControl": "training_events",
    "TrainingSettings": "training_config",
    "expected_error": "error_estimate",
    "export_model": "export",
    "fourier_ring_correlation": "resolution",
    "keep_intensities": "back_projection",
    "load_model": "model_io",
    "measure_consistency": "consistency",
    "measure_overlap": "overlap",
    "model_names": "pretrained",
    "open_engine": "engines",
    "read_description": "description",
    "read_image": "image_io",
    "upscale": "predict",
    "upscale_steps": "predict",
    "upscale_to_zarr": "upscale_zarr",
    "upscale_to_zarr_steps": "upscale_zarr",
    "upscale_with_uncertainty": "uncertainty",
    "write_image": "image_io",
}

__all__ = [
    "RDN",
    "RRDN",
    "Cut_VGG19",
    "Discriminator",
    "ModelDescription",
    "ResolutionCurve",
    "SuperResolutionError",
    "Trainer",
    "TrainingControl",
    "TrainingSettings",
    "check_image",
    "decorrelation_analysis",
    "describe_model",
    "expected_error",
    "export_model",
    "fourier_ring_correlation",
    "keep_intensities",
    "load_model",
    "measure_consistency",
    "measure_overlap",
    "model_names",
    "open_engine",
    "read_description",
    "read_image",
    "upscale",
    "upscale_steps",
    "upscale_to_zarr",
    "upscale_to_zarr_steps",
    "upscale_with_uncertainty",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"src_models.{_HOME[name]}"), name)
    raise AttributeError(f"module 'src_models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
