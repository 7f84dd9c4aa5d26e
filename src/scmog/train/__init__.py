"""Two-stage training: critic pre-training, then supervised training."""

from scmog.train._config import PlanConfig
from scmog.train._processes import choose_strategy, distributed_options
from scmog.train._runner import SCMOGTrainRunner, StageProgressBar, merge_histories, trainer_options
from scmog.train._seed import seeded
from scmog.train._training_plan import SCMOGTrainingPlan, critic_step, generator_step

__all__ = [
    "PlanConfig",
    "SCMOGTrainRunner",
    "SCMOGTrainingPlan",
    "StageProgressBar",
    "choose_strategy",
    "critic_step",
    "distributed_options",
    "generator_step",
    "merge_histories",
    "seeded",
    "trainer_options",
]
