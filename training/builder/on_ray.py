"""The same three steps as Ray Data operators: decoding and encoding on any CPU of the cluster, models in actors.

The machines must see the videos, the weights and this checkout under the same paths; the samples come back to the
machine that started the build, which alone writes.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pointvid.errors import PointVidError

from .config import BuildDataset
from .inputs import Job
from .stages import Outcome, Stages

_JOBS_A_BLOCK = 4  # results come back a block at a time
_ROOT = Path(__file__).resolve().parents[2]

Row = dict[str, Any]  # {"work": pickled job, what lies between two steps, or outcome}


def run_ray(jobs: list[Job], config: BuildDataset, address: str | None) -> Iterator[Outcome]:
    """Outcomes of jobs as they come.

    Args:
        address: of a running cluster ("auto" finds the one of this machine); None or "" starts one here and ends it.
    Raises:
        PointVidError: Ray is not installed, or no cluster is at the address.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise PointVidError('--ray needs Ray, which is not installed; expected: pip install "ray[data]"') from error
    if not jobs:
        return
    try:
        ray.init(
            address=address or None,
            ignore_reinit_error=True,
            runtime_env={"env_vars": {"PYTHONPATH": str(_ROOT)}},
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise PointVidError(f"--ray {address or ''}: no cluster ({' '.join(str(error).split())[:200]})") from error
    try:
        resources = ray.cluster_resources()  # the GPUs may be on other machines than this one
        cuda = config.device != "cpu" and resources.get("GPU", 0) > 0
        per_worker = config.speed.gpus_a_worker if cuda else 0
        most = resources["GPU"] / per_worker if cuda else resources["CPU"] / 2
        workers = config.speed.workers or max(1, int(most))
        settings = config.model_dump_json()
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        data = ray.data.from_items(
            [{"work": pickle.dumps(job)} for job in jobs],
            override_num_blocks=max(1, min(len(jobs) // _JOBS_A_BLOCK, 2000)),
        )
        data = data.map(_read, fn_args=(settings,))
        data = data.map(
            _Models,
            fn_constructor_args=(settings,),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0,  # they must not take the CPUs that decode for them
            num_gpus=per_worker or None,
        )
        data = data.map(_finish, fn_args=(settings,))
        for row in data.iter_rows():
            yield pickle.loads(row["work"])
    finally:
        if not address:
            ray.shutdown()


class _Models:
    """An actor: the models are loaded once, the clips come one by one."""

    def __init__(self, settings: str):
        self._stages = Stages(BuildDataset.model_validate_json(settings))

    def __call__(self, row: Row) -> Row:
        return _step(row, self._stages.track)


def _read(row: Row, settings: str) -> Row:
    return _step(row, _stages(settings).read)


def _finish(row: Row, settings: str) -> Row:
    return _step(row, _stages(settings).finish)


@lru_cache(maxsize=1)
def _stages(settings: str) -> Stages:
    return Stages(BuildDataset.model_validate_json(settings), with_models=False)


def _step(row: Row, step: Any) -> Row:
    work = pickle.loads(row["work"])
    return {"work": pickle.dumps(work if isinstance(work, Outcome) else step(work))}
