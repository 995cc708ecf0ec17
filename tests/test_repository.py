"""House rules that a machine can check: what must never be committed, and what must agree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import pointvid

ROOT = Path(__file__).resolve().parent.parent
# Built from parts, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a package registry's host": "|".join((r"pypi\." + "org", "files.python" + "hosted", r"registry\.npm" + "js")),
    "a path of somebody's machine": "|".join((r"[\s\"'(=:]/" + r"root/", r"[\s\"'(=:]/" + r"work/", r"/home" + r"/\w")),
    "a marker of unfinished work": r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
}
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".js", ".mjs", ".css", ".html", ".txt", ".xml", ".cfg", ""}
LARGEST = 2_000_000


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def python_files(*folders):
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert files
    return files


def imported(path, at_import_only=False):
    """The top-level modules that a file imports absolutely; only what importing the file imports, or all."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what):
    pattern = re.compile(FORBIDDEN[what])
    for path in tracked_files():
        if path.suffix in TEXT and path.stat().st_size < LARGEST:
            text = path.read_text(encoding="utf-8", errors="replace")
            found = pattern.search(text)
            assert found is None, f"{path.relative_to(ROOT)} holds {what}: {found[0]!r}"


def test_no_file_is_large_but_the_small_model():
    large = {path.name: path.stat().st_size for path in tracked_files() if path.stat().st_size > LARGEST}
    assert large.keys() == {"pointvid-small.safetensors"}
    assert large["pointvid-small.safetensors"] <= 30_000_000


def test_the_pack_imports_only_what_comfyui_has():
    for path in python_files("pointvid", "nodes"):
        forbidden = {"cv2", "matplotlib", "pointvid", "training", "nodes"} & set(imported(path))
        forbidden |= {"diffusers"} & set(imported(path, at_import_only=path.is_relative_to(ROOT / "pointvid")))
        assert not forbidden, f"{path.relative_to(ROOT)} imports {forbidden}"


def test_the_library_knows_nothing_of_the_host():
    for path in python_files("pointvid"):
        assert not {"comfy", "comfy_api", "folder_paths", "server"} & set(imported(path)), path


def test_versions_agree():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"$', pyproject, re.MULTILINE)[1] == pointvid.__version__


def test_installed_packages_hold_their_data():
    section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[tool.setuptools.package-data]")[1]
    patterns = dict(re.findall(r'^"?([\w*]+)"? = (\[.*\])$', section.split("\n[")[0], re.MULTILINE))
    everywhere, pointvid_only = ast.literal_eval(patterns["*"]), ast.literal_eval(patterns["pointvid"])
    data = [path for path in tracked_files() if path.is_relative_to(ROOT / "pointvid") and path.suffix != ".py"]
    assert data
    for path in data:
        inside = path.relative_to(ROOT / "pointvid")
        in_package = (path.parent / "__init__.py").is_file() and any(path.match(pattern) for pattern in everywhere)
        assert in_package or any(inside.match(pattern) for pattern in pointvid_only), f"{inside} would not be installed"


def test_requirements_add_nothing():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []
    assert not (ROOT / "install.py").exists()


@pytest.mark.parametrize(
    ("most", "folders"), [(400, ("pointvid", "nodes", "training", "experiments")), (450, ("tests",))]
)
def test_no_python_file_is_long(most, folders):
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in python_files(*folders)}
    assert {name: length for name, length in lengths.items() if length > most} == {}


def test_one_folder_alone_is_taken_for_templates():
    """The host serves templates from the first of these that it finds, and then from no other."""
    taken = {"example_workflows", "example", "examples", "workflow"}
    assert not [name for name in taken if (ROOT / name).exists()]
    assert (ROOT / "workflows").is_dir()
