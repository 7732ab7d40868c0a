"""How a training goes on from the model of a run, with the false accepts that were sent to its hard negatives."""

from __future__ import annotations

from trainer.config import config_file
from trainer.config.schema import Config

PRESET = "hard_negatives"
"""The course of the training is that of this preset; model, features and augmentation stay those of the run."""


def config_of(config: Config, start_from: str) -> Config:
    """The configuration of a training that goes on from a model (see `earlier_run`) of a run with this one.

    The rate is to that of the run as the preset's to the default, so smaller; a run that itself went on from another
    has it already. Negatives are mined as far as the other shares leave room.
    """
    course, data = config_file.preset(PRESET), config.data
    others = data.positive_share + data.unfinished_share + data.background_share + data.hard_negative_share
    slower = course.optimizer.learning_rate / Config().optimizer.learning_rate
    document = config.model_dump()
    document["data"] |= {
        "mined_share": max(data.mined_share, min(course.data.mined_share, round(0.9 - others, 6))),
        "mining_epochs": course.data.mining_epochs,
    }
    document["optimizer"] |= {
        "learning_rate": config.optimizer.learning_rate * (1 if config.training.start_from else slower),
        "warmup_epochs": course.optimizer.warmup_epochs,
    }
    document["training"] |= {
        "start_from": start_from, "epochs": course.training.epochs, "patience": course.training.patience
    }  # fmt: skip
    return config_file.build(document)
