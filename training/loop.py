"""The training loop, shared by every stage. A stage says what is trained and what the loss is; the loop does the rest.

    for each step:   chance := f(seed, step, rank)      state.seed_step
                     gradient of the loss, accumulated  Stage.losses
                     clip, AdamW, schedule, average     ema.Ema
                     log, validate, save                state.save_state

Anything accelerate can launch works: one process, DDP, FSDP. States are whole (not sharded), so a run may be resumed on
another number of GPUs; it is then equal in distribution, not in bits.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import GradScalerKwargs
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from pointvid.errors import PointVidError

from .config import Optimizer, save_config
from .data.shards import Entry, Order
from .log import Log
from .model.ema import Ema
from .state import State, fingerprint, latest, load_state, save_state, seed_step

log = logging.getLogger("training")
_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Stage(ABC):
    """What distinguishes one training from another.

    Attributes:
        config: settings with the keys of `config.Run` that the loop reads.
        model: everything that is trained, as one module; parameters without requires_grad stay as they are.
        dataset: items by index, parallel to `entries`; `collate` makes a batch of them.
        entries: what there is to order into batches.
        extra: small JSON values kept in the state (stage 2's calibrated weights).
    """

    config: Any
    model: nn.Module
    dataset: Dataset
    entries: Sequence[Entry]
    extra: dict[str, Any]

    @abstractmethod
    def collate(self, items: list[Any]) -> Any:
        """A batch with a `.to(device)`."""

    @abstractmethod
    def losses(self, model: nn.Module, batch: Any, step: int) -> dict[str, Tensor]:
        """Scalars by name; "loss" is what is minimised, the others are logged. `model` may be wrapped (DDP, FSDP)."""

    def validate(self, model: nn.Module, accelerator: Accelerator, step: int, folder: Path) -> dict[str, float]:
        """Figures on held-out data, with the averaged weights; may write samples into `folder`."""
        return {}

    @abstractmethod
    def export(self, weights: dict[str, Tensor], path: Path, step: int) -> None:
        """Write what others load, from the state dict of `model`."""


def train(stage: Stage, export_only: bool = False) -> Path:
    """Run a stage from its newest state (or the start) to `config.steps`; returns the exported checkpoint's path.

    Raises:
        PointVidError: the loss is not finite, the disk is full, or a state belongs to another run; each names the last
            good state, from which the same command goes on once the cause is mended.
    """
    config = stage.config
    accelerator = Accelerator(
        mixed_precision={"fp32": "no"}.get(config.precision, config.precision),
        log_with=config.trackers or None,
        project_dir=str(config.out),
        kwargs_handlers=[GradScalerKwargs(init_scale=2.0**12)] if config.precision == "fp16" else [],
    )
    rank, ranks, main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    states_folder, mark = config.out / "states", fingerprint(config)
    order = Order(stage.entries, config.batch_size, ranks, config.seed, config.data.shards_in_window)

    trained = [parameter for parameter in stage.model.parameters() if parameter.requires_grad]
    _log_plan(stage, trained, order, ranks)
    model, optimizer = accelerator.prepare(stage.model, make_optimizer(trained, config.optimizer))
    ema = Ema(model.parameters(), config.ema_decay) if config.ema_decay else None
    step = _resume(stage, accelerator, model, optimizer, ema, latest(states_folder), mark)
    record = Log(config.out / "log.csv", step) if main else None
    if main:
        save_config(config, config.out / "config.yaml")
        if config.trackers:
            accelerator.init_trackers(type(stage).__name__.lower())

    loader = DataLoader(
        stage.dataset,
        batch_sampler=order.batches(step * config.accumulate, rank),
        collate_fn=stage.collate,
        num_workers=config.data.workers,
        persistent_workers=config.data.workers > 0,
    )
    batches = iter(loader) if step < config.steps and not export_only else None
    bar = tqdm(total=config.steps, initial=step, disable=not main, unit="step", mininterval=5)
    validation = getattr(config, "validation", None)

    while batches is not None and step < config.steps:
        seed_step(config.seed, step, rank)
        rate = learning_rate(config.optimizer, step, config.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        figures: dict[str, Tensor] = {}
        for micro in range(config.accumulate):
            batch = next(batches).to(accelerator.device)
            # Gradients are exchanged once an optimizer step, with its last micro step.
            with accelerator.no_sync(model) if micro < config.accumulate - 1 else torch.enable_grad():
                terms = stage.losses(model, batch, step)
                accelerator.backward(terms["loss"] / config.accumulate)
            for name, value in terms.items():
                figures[name] = figures.get(name, 0.0) + value.detach() / config.accumulate
        norm = accelerator.clip_grad_norm_(model.parameters(), config.optimizer.max_grad_norm)
        _guard(figures["loss"], norm, accelerator, step, states_folder)
        optimizer.step()
        optimizer.zero_grad()
        if ema is not None and not accelerator.optimizer_step_was_skipped:
            ema.update(step)
        step += 1
        bar.update()

        if is_logged(config, step):
            values = {name: accelerator.reduce(value, "mean").item() for name, value in figures.items()}
            values |= {"lr": rate, "grad_norm": float(norm)}
            accelerator.log(values, step)
            bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)
            if record is not None:
                record.add(step, values)
        if validation and validation.every and (step % validation.every == 0 or step == config.steps):
            values = _validate(stage, model, ema, accelerator, step)
            accelerator.log(values, step)
            if main and values:
                tqdm.write(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
        if step % config.save_every == 0 or step == config.steps:
            tensors = _gather(accelerator, model, optimizer, ema)
            if main:
                save_state(states_folder, State(step, tensors, stage.extra), mark, config.keep)
            accelerator.wait_for_everyone()
    bar.close()

    with ema.applied() if ema is not None else torch.no_grad():
        weights = get_model_state_dict(model, options=_WHOLE)
    path = config.out / "model.safetensors"
    if main:
        stage.export(weights, path, step)
    accelerator.end_training()
    return path


def is_logged(config: Any, done: int) -> bool:
    """Whether the step that is the `done`-th, counted from 1, writes a row of the log."""
    return done % config.log_every == 0 or done == config.steps


def make_optimizer(parameters: list[nn.Parameter], config: Optimizer) -> torch.optim.Optimizer:
    """AdamW: fused where the parameters are on a GPU, or bitsandbytes' 8-bit one."""
    settings = {"lr": config.lr, "betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
    if config.kind == "adamw":
        return torch.optim.AdamW(parameters, **settings, fused=True)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise PointVidError(
            "optimizer.kind is adamw_8bit, but bitsandbytes is not installed; pip install bitsandbytes, or use adamw"
        ) from error
    return AdamW8bit(parameters, **settings)


def learning_rate(config: Optimizer, step: int, steps: int) -> float:
    """Linear warm-up, then constant, or a half cosine down to `final_lr` of the peak at the last step."""
    rate = config.lr * min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "cosine":
        done = max(0, step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        rate *= config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * min(1.0, done))) / 2
    return rate


def _validate(stage: Stage, model: nn.Module, ema: Ema | None, accelerator: Accelerator, step: int) -> dict[str, float]:
    folder = stage.config.out / "samples" / f"step-{step:08d}"
    model.eval()
    with torch.no_grad(), ema.applied() if ema is not None else torch.no_grad():
        return {f"val/{name}": value for name, value in stage.validate(model, accelerator, step, folder).items()}


def _gather(accelerator: Accelerator, model: nn.Module, optimizer: Any, ema: Ema | None) -> dict[str, Any]:
    """Whole state dicts on the CPU, whatever the model is sharded over. Collective: every rank calls it."""
    tensors = {"model": get_model_state_dict(model, options=_WHOLE)}
    if ema is not None:
        with ema.applied():
            tensors["ema"] = get_model_state_dict(model, options=_WHOLE)
    tensors["optimizer"] = get_optimizer_state_dict(model, optimizer.optimizer, options=_WHOLE)
    if accelerator.scaler is not None:
        tensors["scaler"] = accelerator.scaler.state_dict()
    return tensors


def _resume(
    stage: Stage,
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: Any,
    ema: Ema | None,
    path: Path | None,
    mark: str,
) -> int:
    """Load the newest state, if there is one; the step to go on from."""
    if path is None:
        return 0
    state = load_state(path, mark)
    if ema is not None:
        set_model_state_dict(model, state.tensors["ema"], options=_WHOLE)
        ema.restart()
    set_model_state_dict(model, state.tensors["model"], options=_WHOLE)
    set_optimizer_state_dict(model, optimizer.optimizer, state.tensors["optimizer"], options=_WHOLE)
    if accelerator.scaler is not None and "scaler" in state.tensors:
        accelerator.scaler.load_state_dict(state.tensors["scaler"])
    stage.extra.update(state.extra)
    log.info("going on from %s", path)
    return state.step


def _guard(loss: Tensor, norm: Tensor | None, accelerator: Accelerator, step: int, states_folder: Path) -> None:
    """Stop before a loss or gradient that is not finite reaches the weights."""
    finite = torch.isfinite(loss)
    if accelerator.scaler is None and norm is not None:  # under fp16 the scaler skips overflowing steps itself
        finite = finite & torch.isfinite(torch.as_tensor(norm, device=loss.device))
    if accelerator.reduce(finite.float(), "sum").item() < accelerator.num_processes:
        last = latest(states_folder)
        raise PointVidError(
            f"step {step}: loss {loss.item():.4g}, gradient norm {float(norm):.4g} are not finite; "
            f"{f'the last good state is {last}' if last else 'no state was saved yet'}; "
            "lower optimizer.lr, or use precision bf16 instead of fp16, and start again"
        )


def _log_plan(stage: Stage, trained: list[nn.Parameter], order: Order, ranks: int) -> None:
    """What is about to happen, before hours of it do."""
    config = stage.config
    count = sum(parameter.numel() for parameter in trained)
    total = sum(parameter.numel() for parameter in stage.model.parameters())
    # float32 weight, gradient, two moments, and the average
    memory = count * 4 * (4 + bool(config.ema_decay)) / 2**30
    for (frames, height, width), few in order.never_used.items():
        log.warning(
            "not used: %d samples of %dx%dx%d (TxHxW), fewer than the %d of a batch; lower batch_size to train on them",
            few,
            frames,
            height,
            width,
            ranks * config.batch_size,
        )
    log.info(
        "training %.2fM of %.2fM parameters (%.1f GiB of weights, gradients, moments and averages) on %d samples, "
        "%d batches of %d x %d an epoch",
        count / 1e6,
        total / 1e6,
        memory,
        len(order.entries),
        order.batches_in_epoch,
        ranks,
        config.batch_size,
    )
