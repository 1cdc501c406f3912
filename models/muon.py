"""Muon (Jordan et al. 2024): momentum whose update is made orthogonal, for the matrices inside the blocks."""

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor, nn


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Approach the nearest orthogonal matrix of each in (count, rows, columns), by a Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    wide = x.shape[-1] >= x.shape[-2]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    nearest: Tensor = (x if wide else x.mT).to(matrices.dtype)
    return nearest


class Muon:
    """Matrices of one shape are stacked and updated together."""

    def __init__(self, weights: Iterable[nn.Parameter], *, momentum: float = 0.95, weight_decay: float = 0.1) -> None:
        groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for weight in weights:
            groups[weight.shape].append(weight)
        self._groups = list(groups.values())
        self._momentum = [torch.zeros_like(torch.stack(group)) for group in groups.values()]
        self._beta, self._decay = momentum, weight_decay

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update once from the gradients, scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982)."""
        for group, momentum in zip(self._groups, self._momentum, strict=True):
            gradient = torch.stack([weight.grad for weight in group if weight.grad is not None])
            momentum.lerp_(gradient, 1 - self._beta)
            update = orthogonalize(gradient.lerp(momentum, self._beta))
            size = learning_rate * 0.2 * sqrt(max(update.shape[-2:]))
            torch._foreach_mul_(group, 1 - learning_rate * self._decay)
            torch._foreach_add_(group, list(update.unbind()), alpha=-size)
