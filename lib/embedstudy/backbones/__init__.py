"""Click-through models that take any table: looked-up vectors in, logits out."""

from embedstudy.backbones.dcnv2 import DCNv2
from embedstudy.backbones.deepfm import DeepFM
from embedstudy.backbones.dlrm import DLRM
from embedstudy.backbones.fm import FactorizationMachine
from embedstudy.backbones.logistic import LogisticRegression
from embedstudy.backbones.mlp import Backbone
from embedstudy.backbones.wide_deep import WideDeep

BACKBONES: dict[str, type[Backbone]] = {
    "lr": LogisticRegression,
    "fm": FactorizationMachine,
    "deepfm": DeepFM,
    "wide_deep": WideDeep,
    "dcnv2": DCNv2,
    "dlrm": DLRM,
}
