"""Training: students, rows, batches, losses. What the emitted Lightning modules build on."""

from nesyc_runtime.learning.batches import Layout, MicroBatch, StepBatch, Steps, step_batch
from nesyc_runtime.learning.divergences import Divergence
from nesyc_runtime.learning.encoding import EncodedItems, EncodedRow, encode_items
from nesyc_runtime.learning.finetune import TrainReport, run_finetune
from nesyc_runtime.learning.losses import distil_loss, token_loss
from nesyc_runtime.learning.optimizers import TrainOptions, adamw, lr_schedule, train_options
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.sharding import clip_gradients
from nesyc_runtime.learning.students import load_student, save_student
from nesyc_runtime.learning.teachers import FrozenTeacher

__all__ = [
    "Divergence",
    "EncodedItems",
    "EncodedRow",
    "FrozenTeacher",
    "Layout",
    "MicroBatch",
    "StepBatch",
    "Steps",
    "TrainOptions",
    "TrainReport",
    "TrainingRow",
    "adamw",
    "clip_gradients",
    "distil_loss",
    "encode_items",
    "load_student",
    "lr_schedule",
    "run_finetune",
    "save_student",
    "step_batch",
    "token_loss",
    "train_options",
]
