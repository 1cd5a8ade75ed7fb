"""Predict chips in batches on a GPU: processes read and write files, and copies overlap with the network.

Threads of one process cannot read and write as fast as a GPU computes, since Python runs one of them at a time.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby, islice
from multiprocessing import get_context
from operator import itemgetter
from typing import TypeVar

import torch
from torch import Tensor

from instageo.errors import DataError, InstaGeoError, OutOfMemoryError
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.gpu.copies import Finished, GpuCopies
from instageo.model.inference.batch import (
    PredictionItem,
    PredictionOutcome,
    predict_items,
    read_item,
    write_prediction,
)
from instageo.model.inference.blending import TileOutputs
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.base import SegmentationNetwork
from instageo.raster.grid import Grid
from instageo.runtime.memory import explain_memory_errors
from instageo.runtime.parallel import follow_parent, prefetch
from instageo.runtime.shared_memory import count_processes

log = logging.getLogger(__name__)

Item = TypeVar("Item")

GROUP = 8
"""Chips that a process reads or writes at a time."""

AHEAD = 2
"""Groups of each process, and batches on their way to and from the GPU, that are worked on in advance."""


@dataclass(frozen=True)
class ReadGroup:
    """Chips that a process has read.

    Attributes:
        items: The chips.
        images: Their images, neighbours of one size stacked.
        grids: Their grids.
        unlike_training: Their bands with values unlike the training chips.
    """

    items: Sequence[PredictionItem]
    images: Sequence[Sample]
    grids: Sequence[Grid | None]
    unlike_training: Sequence[dict[str, str]]


@dataclass(frozen=True)
class ComputedGroup:
    """Chips that have been read, with the outputs of the network.

    Attributes:
        group: The chips; the pixels of their images are left out.
        outputs: Outputs of the images (n, K, H, W), stacked as these are.
        averaged: Whether these are averages over tiles.
    """

    group: ReadGroup
    outputs: Sequence[Tensor]
    averaged: Sequence[bool]


Unread = list[PredictionItem]
"""Chips that are predicted one by one: reading one of them failed, or one is too large."""


def predict_on_gpu(
    predictor: Predictor, items: Sequence[PredictionItem], num_processes: int
) -> Iterator[PredictionOutcome]:
    """Yield the outcome of each item in order, as `predict_items` does.

    If a batch cannot be predicted, its chips are predicted one by one.

    Args:
        predictor: Its network runs in the calling thread.
        items: What to predict.
        num_processes: Processes that read and write.

    Raises:
        DataError: A process was killed.
    """
    copies, ahead = GpuCopies(predictor.device), AHEAD * num_processes
    own = replace(predictor, net=SegmentationNetwork(), device=torch.device("cpu"), backend=None)
    # A fork of this process could wait for ever for locks that its threads hold, such as those of GDAL.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(num_processes, context, _start_process, (own,))
    try:
        read = prefetch(_read_group, _chunks(items, GROUP), ahead, pool)
        batches = _chunks(read, max(predictor.tiling.batch_size // GROUP, 1))
        uploaded = prefetch(partial(_upload, copies), batches, AHEAD)
        computed = (_compute(predictor, copies, batch) for batch in uploaded)
        downloaded = prefetch(partial(_download, copies), computed, AHEAD)
        for outcomes in prefetch(_write_group, chain.from_iterable(downloaded), ahead, pool):
            for outcome in outcomes:
                if isinstance(outcome, PredictionOutcome):
                    yield outcome
                else:
                    yield from predict_items(predictor, [outcome], 0)
    except BrokenProcessPool as error:
        raise DataError("a process that read or wrote chips was killed; this happens when memory runs out") from error
    finally:
        pool.shutdown(cancel_futures=True)


def count_readers(image_bytes: float) -> int:
    """Return how many processes may read and write images of a size; 0 if shared memory has no room for one."""
    return count_processes((AHEAD + 1) * GROUP * image_bytes)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


_predictor: Predictor | None = None
"""In a process that reads and writes: the predictor, whose network does not run there."""


def _start_process(predictor: Predictor) -> None:
    global _predictor
    _predictor = predictor
    torch.set_num_threads(1)
    follow_parent()


def _own_predictor() -> Predictor:
    if _predictor is None:
        raise ValueError("this process has no predictor")
    return _predictor


def _read_group(items: Sequence[PredictionItem]) -> ReadGroup | Unread:
    predictor = _own_predictor()
    try:
        read = [read_item(predictor, item) for item in items]
    except (InstaGeoError, MemoryError):
        return list(items)
    if not all(read):
        return list(items)
    samples, grids = zip(*read, strict=True)
    runs = groupby(samples, key=lambda sample: sample.image.shape)
    stacked = [stack_samples(list(run)) for _, run in runs]
    return ReadGroup(items, stacked, grids, [predictor.find_unlike_bands(sample) for sample in samples])


def _upload(copies: GpuCopies, batch: Sequence[ReadGroup | Unread]) -> list[tuple[ReadGroup | Unread, list[Sample]]]:
    """Return the groups of a batch, each with its images on the GPU."""
    return [(each, [] if isinstance(each, list) else list(map(copies.upload, each.images))) for each in batch]


def _compute(
    predictor: Predictor, copies: GpuCopies, batch: Sequence[tuple[ReadGroup | Unread, list[Sample]]]
) -> tuple[list[ComputedGroup | Unread], Finished]:
    """Return the groups of a batch with outputs on the GPU."""
    stacks = [stack for _, images in batch for stack in images]
    samples = [stack.map(itemgetter(index)) for stack in stacks for index in range(len(stack.image))]
    try:
        with explain_memory_errors("a batch", "lower train.batch_size"):
            outputs = iter(predictor.predict_tiles(samples))
    except InstaGeoError as error:
        if isinstance(error, OutOfMemoryError):
            log.warning("%s; its chips are predicted one by one", error)
        return [each if isinstance(each, list) else list(each.items) for each, _ in batch], None
    computed: list[ComputedGroup | Unread] = []
    for each, images in batch:
        if isinstance(each, list):
            computed.append(each)
            continue
        own = [list(islice(outputs, len(stack.image))) for stack in images]
        group = replace(each, images=[replace(stack, image=stack.valid) for stack in each.images])
        computed.append(ComputedGroup(group, list(map(_stack, own)), [run[0].averaged for run in own]))
    return computed, copies.finished()


def _stack(outputs: Sequence[TileOutputs]) -> Tensor:
    return torch.stack([each.values for each in outputs])


def _download(
    copies: GpuCopies, computed: tuple[list[ComputedGroup | Unread], Finished]
) -> list[ComputedGroup | Unread]:
    groups, finished = computed
    return [
        each
        if isinstance(each, list)
        else replace(each, outputs=[copies.download(stack, finished) for stack in each.outputs])
        for each in groups
    ]


def _write_group(computed: ComputedGroup | Unread) -> list[PredictionOutcome | PredictionItem]:
    """Write the maps of a group, and return the outcomes; chips that must be predicted one by one are returned."""
    if isinstance(computed, list):
        return list(computed)
    predictor, group = _own_predictor(), computed.group
    images = [
        (outputs, valid, averaged)
        for stack, image, averaged in zip(computed.outputs, group.images, computed.averaged, strict=True)
        for outputs, valid in zip(stack, image.valid, strict=True)
    ]
    outcomes: list[PredictionOutcome | PredictionItem] = []
    for item, (outputs, valid, averaged), grid, unlike in zip(
        group.items, images, group.grids, group.unlike_training, strict=True
    ):
        prediction = predictor.prediction(outputs, valid, grid, averaged=averaged)
        outcomes.append(write_prediction(predictor, item, replace(prediction, unlike_training=unlike)))
    return outcomes
