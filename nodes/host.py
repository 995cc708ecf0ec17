"""What nodes ask of the host: progress and cancelling, a device, folders, 3D files."""

from __future__ import annotations

import json
import os
import secrets
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pointvid.progress import Progress

_MOST_FILES = 50_000
_LARGEST_HEADER = 100_000_000


def host_progress() -> Progress:
    """A `progress(done, total, what)` that moves the node's bar, and raises when the user has pressed cancel."""
    import comfy.model_management
    from comfy.utils import ProgressBar

    bar = ProgressBar(1)

    def report(done: int, total: int, what: str) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, max(total, 1))

    return report


def compute_device():
    """The device the host computes on."""
    import comfy.model_management

    return comfy.model_management.get_torch_device()


def output_file(prefix: str, suffix: str) -> tuple[Path, dict[str, str]]:
    """A new numbered name under the host's output folder.

    Args:
        prefix: may hold folders and the host's %year% patterns, as in core's save nodes.
        suffix: ".npz" and the like.
    Returns:
        The path, and the host's own way to name it: {filename, subfolder, type}.
    Raises:
        PointVidError: the prefix leads out of the output folder, or is no name that a disk takes.
    """
    import folder_paths

    from ..pointvid.errors import PointVidError

    expected = "expected a name inside ComfyUI's output folder, like pointvid/tracks"
    too_long = any(len(part.encode(errors="replace")) > 200 for part in PureWindowsPath(prefix).parts)
    if not prefix.strip() or too_long or _leaves_its_folder(prefix):
        raise PointVidError(f"filename_prefix is {prefix[:80]!r}, {expected}")
    try:
        output = folder_paths.get_output_directory()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output)
    except Exception as error:  # the host's own refusals go over several lines; of a NUL it is a ValueError
        why = " ".join(str(error).split())[:120]
        raise PointVidError(
            f"filename_prefix is {prefix[:80]!r}, which the host refuses ({why}); {expected}"
        ) from error
    if "\0" in name:
        raise PointVidError(f"filename_prefix is {prefix[:80]!r}, {expected}")
    path = Path(folder, f"{name}_{counter:05}_{suffix}")
    return path, {"filename": path.name, "subfolder": subfolder.replace("\\", "/"), "type": "output"}


def temp_file(stem: str, suffix: str) -> tuple[Path, dict[str, str]]:
    """A new unique name under the host's temp folder, and its {filename, subfolder, type}."""
    import folder_paths

    path = Path(folder_paths.get_temp_directory(), "pointvid", f"{stem}_{secrets.token_hex(8)}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, {"filename": path.name, "subfolder": "pointvid", "type": "temp"}


def list_files(suffix: str) -> list[str]:
    """Names a load node offers: files in input/, input/pointvid/ and below output/, the last marked as core does.

    Those of output/pointvid come first among the last. A tracks.npz that is part of an export for Blender is left out.
    """
    import folder_paths

    root = Path(folder_paths.get_input_directory())
    patterns = (f"*{suffix}", f"pointvid/**/*{suffix}")
    found = (path for pattern in patterns for path in root.glob(pattern) if _inside(path, root))
    given = sorted(path.relative_to(root).as_posix() for path in found)
    return given + [f"{name} [output]" for name in _saved(suffix)]


def _inside(path: Path, root: str | Path) -> bool:
    """Whether it is a file below `root`; what a link leads out to would be refused when it is loaded."""
    return path.is_file() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _saved(suffix: str) -> list[str]:
    """Files below output/, wherever a free filename_prefix put them.

    The host asks at every start and refresh, so of a folder with very many files the rest is not walked.
    """
    import folder_paths

    root, found, seen = folder_paths.get_output_directory(), [], 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files)
        if seen > _MOST_FILES:
            break
        if "import_tracks.py" not in files:
            chosen = (Path(folder, name) for name in files if name.endswith(suffix))
            found += [path.relative_to(root).as_posix() for path in chosen if _inside(path, root)]
    return sorted(found, key=lambda name: (not name.startswith("pointvid/"), name))


def checkpoint_names(folders: tuple[str, ...]) -> list[str]:
    """The .safetensors files of these model folders, and below output/, whose header says that PointVid wrote them."""
    import folder_paths

    found = {}
    for folder in folders:
        for name in model_files(folder):
            path = folder_paths.get_full_path(folder, name)
            if path and name.endswith(".safetensors") and is_checkpoint(Path(path)):
                found.setdefault(name)
    root = Path(folder_paths.get_output_directory())
    found |= {f"{name} [output]": None for name in _saved(".safetensors") if is_checkpoint(root / name)}
    return list(found)


def is_checkpoint(path: Path) -> bool:
    """Whether a safetensors file's header holds PointVid's metadata."""
    return "pointvid.format" in (header_metadata(path) or {})


def header_metadata(path: Path) -> dict[str, str] | None:
    """The metadata in the header of a safetensors file; None where it cannot be read."""
    try:
        status = path.stat()
        return _header_metadata(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _header_metadata(path: Path, modified: int, size: int) -> dict[str, str] | None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, _LARGEST_HEADER):
            return None
        header = json.loads(file.read(length))
    return (header.get("__metadata__") or {}) if isinstance(header, dict) else None


def existing_file(name: str, what: str) -> Path:
    """The path behind a name from `list_files`.

    Raises:
        PointVidError: there is no such file, or the name leads out of the host's folders.
    """
    import folder_paths

    from ..pointvid.errors import PointVidError

    # Older hosts join the name to the folder without looking where it leads, so we look.
    if name and not _leaves_its_folder(name) and folder_paths.exists_annotated_filepath(name):
        return Path(folder_paths.get_annotated_filepath(name))
    raise PointVidError(f"{what} is {name!r}, expected a file in ComfyUI's input folder or, with [output], its output")


def model_files(folder: str) -> list[str]:
    """The names of weight files in models/FOLDER, which the host learns of with the first call."""
    import folder_paths

    _register(folder)
    return folder_paths.get_filename_list(folder)


def model_path(folder: str, name: str) -> Path:
    """The file behind a name of `model_files`.

    Raises:
        PointVidError: there is none.
    """
    import folder_paths

    from ..pointvid.errors import PointVidError

    _register(folder)
    path = folder_paths.get_full_path(folder, name)
    if not path:
        raise PointVidError(f"name is {name!r}, expected a file in models/{folder}")
    return Path(path)


def model_choices(folder: str, files: bool = True) -> list[str]:
    """What a loader offers of models/FOLDER: folders in transformers' layout by their name, and single files.

    Args:
        files: offer files that lie in no such folder, too.
    """
    choices = []
    for name in model_files(folder):
        parent = PurePosixPath(name.replace("\\", "/")).parent
        if (model_path(folder, name).parent / "config.json").is_file() and str(parent) != ".":
            choices.append(str(parent))
        elif files:
            choices.append(name)
    return sorted(set(choices))


def model_choice_path(folder: str, name: str) -> Path:
    """The file or folder behind a name of `model_choices`.

    Raises:
        PointVidError: there is none.
    """
    for file in model_files(folder):
        path = model_path(folder, file)
        if file == name:
            return path
        if str(PurePosixPath(file.replace("\\", "/")).parent) == name:
            return path.parent
    return model_path(folder, name)  # raises


def _register(folder: str) -> None:
    """Have the host list models/FOLDER, unless it does already (extra_model_paths.yaml may name other places)."""
    import folder_paths

    if folder not in folder_paths.folder_names_and_paths:
        place = str(Path(folder_paths.models_dir, folder))
        folder_paths.folder_names_and_paths[folder] = ([place], folder_paths.supported_pt_extensions)


def file_fingerprint(name: str) -> str:
    """Changes whenever the file behind `name` does, so that the host runs a load node again."""
    status = existing_file(name, "file").stat()
    return f"{status.st_mtime_ns} {status.st_size}"


def file_3d(path: Path) -> Any:
    """A 3D file for core's preview and save nodes; its path as a string where the host has no such socket."""
    from comfy_api.latest import Types

    return Types.File3D(str(path)) if hasattr(Types, "File3D") else str(path)


def _leaves_its_folder(name: str) -> bool:
    """Whether joining `name` to a folder could end outside of it, by the rules of any system."""
    path = PureWindowsPath(name)  # knows both separators, and drives
    return bool(path.anchor) or ".." in path.parts
