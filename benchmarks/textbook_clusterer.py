"""A training step of networks A and B with the clustering objective, in plain PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from textbook_torch import information


def textbook_loss(p: Any, q: Any) -> Any:
    """Mean over sub-heads of −I of probabilities `[n, sub_heads, k]`, λ = 1."""
    return -information(torch.einsum("nsi,nsj->sij", p, q)).mean()


def _conv(channels: int, filters: int, kernel: int, stride: int = 1) -> list[torch.nn.Module]:
    conv = torch.nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False)
    return [conv, torch.nn.BatchNorm2d(filters)]


def network_b(channels: int) -> torch.nn.Module:
    """The layers of `iic_tf`'s network B at width 1."""
    layers: list[torch.nn.Module] = []
    for i, filters in enumerate((64, 128, 256, 512)):
        if i:
            layers.append(torch.nn.MaxPool2d(2, ceil_mode=True))
        layers += [*_conv(channels, filters, 5), torch.nn.ReLU(inplace=True)]
        channels = filters
    return torch.nn.Sequential(*layers, torch.nn.Flatten())


class Block(torch.nn.Module):  # type: ignore[misc]
    """A residual block of network A."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        first = [*_conv(channels, filters, 3, stride), torch.nn.ReLU(inplace=True)]
        self.deep = torch.nn.Sequential(*first, *_conv(filters, filters, 3))
        same = stride == 1 and channels == filters
        shortcut = [] if same else _conv(channels, filters, 1, stride)
        self.beside = torch.nn.Sequential(*shortcut)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.deep(x) + self.beside(x))


def network_a(channels: int) -> torch.nn.Module:
    """The layers of `iic_tf`'s network A at width 1."""
    layers = [*_conv(channels, 64, 3), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(2)]
    channels = 64
    for filters, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(count):
            layers.append(Block(channels, filters, stride if i == 0 else 1))
            channels = filters
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


class ClusteringStep:
    """One training step on a ready batch of images and a copy of each.

    Args:
        x, gx: float32 `[n, size, size, channels]` in 0 to 1.
    """

    def __init__(self, network: str, x: Any, gx: Any, k: int, sub_heads: int):
        torch.manual_seed(0)
        views = [torch.tensor(v).permute(0, 3, 1, 2).contiguous() for v in (x, gx)]
        self.x, self.gx = views
        self.shape = (-1, sub_heads, k)
        self.trunk = {"A": network_a, "B": network_b}[network](x.shape[-1]).train()
        with torch.no_grad():
            features = self.trunk(self.x[:2]).shape[1]
        self.head = torch.nn.Linear(features, sub_heads * k)
        self.weights = [*self.trunk.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(self.weights, lr=1e-4, eps=1e-8)
        self.parameters = sum(v.numel() for v in self.weights)

    def __call__(self) -> float:
        logits = self.head(self.trunk(torch.cat([self.x, self.gx])))
        p, q = logits.reshape(self.shape).softmax(-1).chunk(2)
        loss = textbook_loss(p, q)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
