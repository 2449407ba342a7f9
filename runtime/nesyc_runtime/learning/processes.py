"""One training in several processes: each takes a share of every step, gradients are averaged between them.

Every process makes every step from its number alone, so all know what the others do: token means are those of the whole
step, and all go backward equally often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Share:
    """Process number `process` of `processes`, of which `local` run on each machine.

    `sharded`: each holds a part of the model's layers, not all of them.
    """

    process: int = 0
    processes: int = 1
    local: int = 1
    sharded: bool = False

    @property
    def told(self) -> str:
        """How the work is shared, in words."""
        held = "a part of the layers" if self.sharded else "the whole model"
        return f"{self.processes}, each with {held}"


ALONE = Share()


def share_of(environment: Mapping[str, str], *, sharded: bool = False) -> Share:
    """This process's share, as torchrun or SLURM say in the environment."""
    for rank, size, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"),
    ):
        if rank in environment and size in environment:
            count = int(environment[size])
            return Share(
                int(environment[rank]), count, int(environment.get(local, count)), sharded and count > 1
            )
    return ALONE


def together(
    answer: Callable[[Sequence[Asked]], list[Answered]], share: Share
) -> Callable[[Sequence[Asked]], list[Answered]]:
    """`answer`, with each process answering a part of what all of them are asked, and all having the whole.

    Where the model is sharded all answer everything, a layer is whole only while they compute it side by side, and all take what
    the first says: the way they go on must be one.
    """
    if share.processes == 1:
        return answer

    def answer_all(asked: Sequence[Asked]) -> list[Answered]:
        import torch.distributed

        answers = answer(asked)
        torch.distributed.broadcast_object_list(answers, src=0)
        return answers

    def answer_part(asked: Sequence[Asked]) -> list[Answered]:
        import torch.distributed

        own = answer(asked[share.process :: share.processes])
        parts: list[Any] = [None] * share.processes
        torch.distributed.all_gather_object(parts, own)
        answers: list[Any] = [None] * len(asked)
        for process, part in enumerate(parts):
            answers[process :: share.processes] = part
        return answers

    return answer_all if share.sharded else answer_part


def trainer_settings(share: Share, device: str) -> dict[str, Any]:
    """What Lightning's Trainer needs to know of devices and processes."""
    kind, _, number = device.partition(":")
    accelerator = "gpu" if kind == "cuda" else "cpu"
    if share.processes == 1:
        # a count of GPUs would mean the first ones, whichever the student is on
        return {"accelerator": accelerator, "devices": [int(number or 0)] if kind == "cuda" else 1}
    if share.sharded:
        from nesyc_runtime.learning.sharding import sharding_strategy
    return {
        "accelerator": accelerator,
        "devices": share.local,
        "num_nodes": share.processes // share.local,
        "strategy": sharding_strategy(share) if share.sharded else "ddp",
        "use_distributed_sampler": False,  # the steps are dealt out already
    }
