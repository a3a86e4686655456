"""The objective as the papers formulate it, and a training step with it, in plain PyTorch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

TINY = 1.2e-38


def textbook_loss(p: Any, q: Any, radius: int) -> Any:
    """−mean_t I(P_t) of probabilities `[n, k, height, width]`, uncollapsed, λ = 1."""
    images, kernels = p.permute(1, 0, 2, 3), q.permute(1, 0, 2, 3)
    joints = F.conv2d(images, weight=kernels, padding=(radius, radius)).permute(2, 3, 0, 1)
    return -information(joints).mean()


def information(joints: Any) -> Any:
    """I of each of the joints `[..., k, k]`, λ = 1."""
    joints = (joints + joints.transpose(-2, -1)) / 2
    joints = joints / joints.sum((-2, -1), keepdim=True)
    rows, columns = joints.sum(-1, keepdim=True), joints.sum(-2, keepdim=True)
    inside = _log(joints) - _log(rows) - _log(columns)
    return (joints * inside).sum((-2, -1))


def _log(x: Any) -> Any:
    return torch.log(x.clamp(min=TINY))


class NetworkC(torch.nn.Module):  # type: ignore[misc]
    """The layers of `iic_tf`'s network C at width 1 and of one head."""

    def __init__(self, channels: int, k: int):
        super().__init__()
        layers: list[torch.nn.Module] = []
        for filters, dilation in (
            (64, 1),
            (128, 1),
            (0, 0),
            (256, 1),
            (256, 1),
            (512, 2),
            (512, 2),
        ):
            if not filters:
                layers.append(torch.nn.MaxPool2d(2, ceil_mode=True))
                continue
            conv = torch.nn.Conv2d(
                channels, filters, 3, padding=dilation, dilation=dilation, bias=False
            )
            layers += [conv, torch.nn.BatchNorm2d(filters), torch.nn.ReLU(inplace=True)]
            channels = filters
        layers += [torch.nn.Conv2d(channels, k, 1, bias=False), torch.nn.Softmax(dim=1)]
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        small = self.layers(x)
        return F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)


class Step:
    """One training step on a ready batch of augmented pairs: no views are made here.

    Args:
        x, gx: `[n, size, size, channels]` in 0 to 1.
        flipped: bool `[n]`, where gx is x mirrored.
    """

    def __init__(self, x: Any, gx: Any, flipped: Any, radius: int, k: int):
        torch.manual_seed(0)
        self.x, self.gx = (torch.tensor(v).permute(0, 3, 1, 2).contiguous() for v in (x, gx))
        self.flipped = torch.tensor(flipped).reshape(-1, 1, 1, 1)
        self.radius = radius
        self.network = NetworkC(x.shape[-1], k).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4, eps=1e-8)
        self.parameters = sum(v.numel() for v in self.network.parameters())

    def __call__(self) -> float:
        p, q = self.network(torch.cat([self.x, self.gx])).chunk(2)
        q = torch.where(self.flipped, q.flip(3), q)
        loss = textbook_loss(p, q, self.radius)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
