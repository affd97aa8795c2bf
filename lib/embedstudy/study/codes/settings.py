"""The settings of the chapters on vector codes."""

from dataclasses import dataclass

from embedstudy.core.rules import COUNT, RESAMPLES, SEED, Mapping, Several, setting
from embedstudy.study.codes.types import FITTED_ON
from embedstudy.study.encoder.settings import TASKS, few_tasks


@dataclass(frozen=True)
class CodesSettings:
    """Sizes and tasks of a grid of codecs. The defaults are a quick look."""

    tasks: dict[str, dict[str, int]] = setting(TASKS, factory=few_tasks)
    training: dict[str, int] = setting(  # texts that codecs are fitted on
        Mapping(COUNT), factory=lambda: {"docs": 400, "reviews": 400}
    )
    # On these training texts, on the corpus that is searched, or on each in turn.
    fitted_on: list[str] = setting([set(FITTED_ON)], factory=lambda: ["training"])
    # Codecs that are fitted on the corpus, name -> bytes a vector; all that learn where it is empty.
    own_corpus: dict[str, list[int]] = setting(Mapping([COUNT]), factory=dict)
    sizes: list[int] = setting(Several(COUNT), factory=lambda: [384, 48])  # bytes a vector
    opq_iterations: int = setting(COUNT, 50)  # of rotation and codebooks; faiss has 50
    bebr_steps: int = setting(COUNT, 20)  # of training, each on 256 pairs
    seeds: list[int] = setting(Several(SEED), factory=lambda: [0])
    resamples: int = setting(RESAMPLES, 200)
