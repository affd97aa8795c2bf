"""A work function that multiplies two numbers whose product is denormal."""

import torch

from embedstudy.study.engine.outcome import Outcome


def sources(run):
    return []


def work(run, progress):
    return Outcome({"product": float(torch.tensor(1e-30) * torch.tensor(1e-15))})
