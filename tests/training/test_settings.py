from __future__ import annotations

import tomllib

import pytest

from src_models import TrainingSettings
from src_models.errors import InvalidInputError
from src_models.images.degradation import Degradation


@pytest.mark.slow
def test_settings_survive_the_way_through_a_record():
    settings = TrainingSettings.from_dict(
        {"epochs": 3, "data": {"degradations": [{"name": "jpeg", "quality": [30, 60]}]}}
    )
    assert settings.data.degradations == (Degradation(name="jpeg", quality=(30.0, 60.0)),)
    assert TrainingSettings.from_dict(settings.to_dict()) == settings


def test_toml_file_says_settings():
    text = '[learning_rate]\ninitial = 1e-3\ndecay = "cosine"\n[patch]\nsize = 24\n'
    settings = TrainingSettings.from_dict(tomllib.loads(text))
    assert (settings.learning_rate.initial, settings.learning_rate.decay) == (1e-3, "cosine")
    assert settings.patch.size == 24
    assert settings.loss == TrainingSettings().loss


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 3}, "no training setting 'epoch'"),
        ({"patch": {"sizes": 3}}, "no training setting 'patch.sizes'"),
        ({"patch": {"size": "x"}}, "patch.size: .*integer.*Received: 'x'"),
        ({"patch": {"size": -3}}, "patch: patch size must be .* at least 4. Received: -3"),
        ({"loss": {"pixel": "l9"}}, "loss.pixel: .*'mae'.*Received: 'l9'"),
        ({"epochs": 2.5}, "epochs: "),
    ],
)
def test_what_does_not_fit_is_said(values, words):
    with pytest.raises(InvalidInputError, match=words):
        TrainingSettings.from_dict(values)
