"""The gradients of a loss over one half of a batch each, alone and in a group of two processes."""

import torch
import torch.distributed as dist
from sentence_transformers import SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.nn.parallel import DistributedDataParallel

from embedstudy.encoders import matryoshka
from embedstudy.encoders.core.pretrained import load_encoder

COLUMNS = (
    ["the cat sat", "a dog", "flow of heat", "wing on a plate"],
    ["the cat", "the dog sat", "heat", "a wing"],
)


def gradients(folder, rank):
    """By parameter, of rows 0 and 1 (``rank`` 0) or 2 and 3 of ``COLUMNS``, without dropout."""
    model = load_encoder(folder)
    loss = matryoshka.StarbucksLoss(model, MultipleNegativesRankingLoss(model), [(1, 8)])
    if dist.is_initialized():  # as the trainer puts the wrapped model into a loss
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        trainer = object.__new__(SentenceTransformerTrainer)
        loss = trainer.override_model_in_loss(loss, wrapped)
    rows = slice(2 * rank, 2 * rank + 2)
    loss([model.preprocess(texts[rows]) for texts in COLUMNS], None).backward()
    return {key: one.grad for key, one in model.named_parameters() if one.grad is not None}


def in_group(rank, folder, out):
    """Write this process's ``gradients`` as ``out/<rank>.pt``."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=2)
    torch.save(gradients(folder, rank), out / f"{rank}.pt")
    dist.destroy_process_group()
