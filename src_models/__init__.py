"""Super-resolution of images with residual dense networks.

Nothing heavy is imported until it is used: ``import src_models`` costs no Keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src_models.engines.opening import open_engine
    from src_models.errors import SuperResolutionError
    from src_models.export.export_model import export_model
    from src_models.images.io import read_image, write_image
    from src_models.jobs.zarr import upscale_to_zarr, upscale_to_zarr_steps
    from src_models.models.description import ModelDescription, read_description
    from src_models.models.registry import describe_model, model_names
    from src_models.networks.discriminator import Discriminator
    from src_models.networks.model_files import load_model
    from src_models.networks.rdn import RDN
    from src_models.networks.rrdn import RRDN
    from src_models.networks.vgg19 import Cut_VGG19
    from src_models.quality.consistency import measure_consistency
    from src_models.quality.expected_error import expected_error
    from src_models.quality.image_checks import check_image
    from src_models.quality.resolution import (
        ResolutionCurve,
        decorrelation_analysis,
        fourier_ring_correlation,
    )
    from src_models.training.events import TrainingControl
    from src_models.training.settings import TrainingSettings
    from src_models.training.trainer import Trainer
    from src_models.upscaling.back_projection import keep_intensities
    from src_models.upscaling.overlap import measure_overlap
    from src_models.upscaling.predict import upscale, upscale_steps
    from src_models.upscaling.uncertainty import upscale_with_uncertainty

_HOME = {
    "Cut_VGG19": "networks.vgg19",
    "Discriminator": "networks.discriminator",
    "RDN": "networks.rdn",
    "RRDN": "networks.rrdn",
    "ModelDescription": "models.description",
    "ResolutionCurve": "quality.resolution",
    "SuperResolutionError": "errors",
    "check_image": "quality.image_checks",
    "decorrelation_analysis": "quality.resolution",
    "describe_model": "models.registry",
    "Trainer": "training.trainer",
    "TrainingControl": "training.events",
    "TrainingSettings": "training.settings",
    "expected_error": "quality.expected_error",
    "export_model": "export.export_model",
    "fourier_ring_correlation": "quality.resolution",
    "keep_intensities": "upscaling.back_projection",
    "load_model": "networks.model_files",
    "measure_consistency": "quality.consistency",
    "measure_overlap": "upscaling.overlap",
    "model_names": "models.registry",
    "open_engine": "engines.opening",
    "read_description": "models.description",
    "read_image": "images.io",
    "upscale": "upscaling.predict",
    "upscale_steps": "upscaling.predict",
    "upscale_to_zarr": "jobs.zarr",
    "upscale_to_zarr_steps": "jobs.zarr",
    "upscale_with_uncertainty": "upscaling.uncertainty",
    "write_image": "images.io",
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
