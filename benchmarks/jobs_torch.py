"""What a worker of PyTorch can be asked to run."""

from __future__ import annotations

from typing import Any

import torch
from cases import Case, maps
from step_case import batch_of, small_images
from textbook_clusterer import ClusteringStep
from textbook_torch import Step, textbook_loss


class Objective:
    """The textbook's loss and its gradients with respect to both maps."""

    def __init__(self, case: Case):
        self.case = case
        # PyTorch's own layout, so that no time goes into bringing it there.
        self.pair = [
            torch.from_numpy(m).permute(0, 3, 1, 2).contiguous().requires_grad_()
            for m in maps(case)
        ]
        self.returned: Any = None

    def __call__(self) -> None:
        p, q = self.pair
        loss = textbook_loss(p, q, self.case.radius)
        self.returned = (loss.detach(), *torch.autograd.grad(loss, self.pair))

    def arrays(self) -> dict[str, Any]:
        loss, dp, dq = self.returned
        return {
            "loss": loss.numpy(),
            "dp": dp.permute(0, 2, 3, 1).numpy(),
            "dq": dq.permute(0, 2, 3, 1).numpy(),
        }


class TrainingStep:
    """A whole step in PyTorch on a ready batch."""

    def __init__(self, case: dict[str, Any]):
        self.step: Step | ClusteringStep
        if case.get("clustering"):
            views = small_images(case)
            self.step = ClusteringStep(case["network"], *views, case["k"], case["sub_heads"])
        else:
            x, gx, flipped = batch_of(case)
            self.step = Step(x, gx, flipped, case["radius"], case["k"])
        self.facts = {"parameters": self.step.parameters}
        self.returned: Any = None

    def __call__(self) -> None:
        self.returned = self.step()


def build(version: str, case: dict[str, Any]) -> Any:
    """`objective` of a `Case`, or `step` of a `STEPS` case or of a clustering one."""
    return Objective(Case(**case)) if version == "objective" else TrainingStep(case)


def forget() -> None:
    """Nothing is kept beside the jobs."""
