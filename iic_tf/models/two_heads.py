"""IIC's two heads: a main and an overclustering one, of several sub-heads each, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from keras import ops

from iic_tf.annotations import Layer, Parts, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.losses.information import most_information
from iic_tf.losses.segmentation import loss_of_joints
from iic_tf.metrics.joint_meter import JointMeter
from iic_tf.models.self_supervised import Monitor
from iic_tf.models.sums import SumsModel
from iic_tf.turns import BOTH, MAIN, RESTING, check_turns

TRUNK = "trunk"


class TwoHeads(SumsModel):
    """A trunk and its heads, trained by the mutual information of joints, an epoch each in turn.

    A model sets the attributes below, then `trunk`, then calls `add_heads`; its `sums` are the
    joints of a batch, by head float32 `[sub_heads, displacements, k, k]`.
    """

    overclusters: int
    sub_heads: int
    lamb: float
    overclustering_lamb: float
    collapsed: bool = False
    turns: tuple[str, ...]

    def add_heads(
        self,
        layer: Callable[..., Layer],
        heads: Sequence[str],
        turns: Sequence[str],
        displacements: int = 1,
    ) -> None:
        """Make the heads of `layer(clusters, sub_heads)`, the chosen sub-head and the meters.

        Args:
            layer: of a head.
            heads: `main`, and `overclustering` if there is one.
            turns: heads trained in epoch 0, 1, …, repeated.
            displacements: joints of a sub-head.

        Raises:
            InputError: turns of other heads, or none of the main head; or other turns than `both`
                where the trunk is frozen.
        """
        self.turns = check_turns(turns, heads)
        if self.rests and len(heads) > 1 and set(self.turns) != {BOTH}:
            # Heads share nothing that is trained: there is nothing to take turns at.
            raise expected(f"turns=('{BOTH}',) while the trunk is frozen", self.turns, "turns")
        counts = {MAIN: self.classes, **({heads[1]: self.overclusters} if heads[1:] else {})}
        self.clusters = counts
        self.heads = {
            head: layer(k, self.sub_heads, name=head, dtype=self.dtype_policy)
            for head, k in counts.items()
        }
        self.chosen = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="chosen_sub_head"
        )
        self.add_meters(
            {
                head: JointMeter(
                    *(self.sub_heads, displacements, k, self.head_lamb(head), self.collapsed),
                    name=f"{head}_joint",
                )
                for head, k in counts.items()
            }
        )

    def parts(self) -> Parts:
        heads = {name: head.trainable_variables for name, head in self.heads.items()}
        trunk = self.trunk.trainable_variables
        if self.rests:
            # The first part is trained in every phase.
            return {**heads, **({TRUNK: trunk} if trunk else {})}
        return {TRUNK: trunk, **heads}

    def phase_of(self, epoch: int) -> str:
        """Whose turn it is in an epoch, and whether the trunk rests."""
        return self.turn_of(epoch) + (RESTING if epoch < self.trunk_from else "")

    def turn_of(self, epoch: int) -> str:
        """Whose turn it is in an epoch."""
        return self.turns[epoch % len(self.turns)]

    def check_turns_taken(self, epochs: int) -> None:
        """In as many epochs as there are turns the main head must have had one.

        Raises:
            InputError: all batches were of one epoch, which was not the main head's.
        """
        seen = self.epochs.seen
        if epochs < len(self.turns) or len(seen) != 1:
            return
        (epoch,) = seen
        if self.turn_of(epoch) not in (MAIN, BOTH):
            raise InputError(
                f"Expected batches whose epoch goes on, as fit(pairs, ...) and pairs.dataset(0, "
                f"epochs * len(pairs)) make them, or turns=('both',); received epoch {epoch} in "
                f"all of {epochs} epochs, in which the turn is {self.turn_of(epoch)}'s and the "
                "main head is never trained."
            )

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        turn = phase.removesuffix(RESTING)
        return tuple(self.heads) if turn == BOTH else (turn,)

    def parts_in(self, phase: str) -> tuple[str, ...]:
        # The head whose turn it is not keeps its weights and moments untouched.
        names = (TRUNK, *self.monitors_in(phase))
        if phase.endswith(RESTING):
            names = names[1:]
        return tuple(name for name in names if name in self.parts())

    @property
    def sub_head(self) -> int:
        return int(ops.convert_to_numpy(self.chosen))

    def settle(self, monitors: Mapping[str, Monitor]) -> None:
        """Answer with the main head's sub-head of the lowest loss."""
        self.chosen.assign(monitors[MAIN].chosen)

    def of_chosen(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The chosen sub-head's of the probabilities of all."""
        if self.sub_heads == 1:
            return probabilities[0]
        return ops.take(ops.stack(probabilities), self.chosen, axis=0)

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """Mean loss −I_λ over a head's sub-heads, `[sub_heads, displacements, k, k]` → `[]`."""
        losses = [
            loss_of_joints(sums[i], self.head_lamb(name), self.collapsed)
            for i in range(self.sub_heads)
        ]
        return ops.mean(ops.stack(losses))

    def head_lamb(self, head: str) -> float:
        """λ of a head."""
        return self.lamb if head == MAIN else self.overclustering_lamb

    def bound(self, name: str) -> float:
        """The lowest that the loss of a head can be: −ln k at λ = 1."""
        return -most_information(self.clusters[name], self.head_lamb(name))


def default_turns(rests: bool, turns: Sequence[str]) -> Sequence[str]:
    """Turns where none are given: these, or both heads at once while the trunk is frozen."""
    return (BOTH,) if rests and len(turns) > 1 else turns
