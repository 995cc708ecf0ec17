"""Everything is in pyproject.toml except this: the viewer's modules lie in web/viewer, where ComfyUI serves them from,
and are installed as package data of `pointvid.web`, where `pointvid.export.html` finds them."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["pointvid", "pointvid.*"]), "pointvid.web"],
    package_dir={"pointvid.web": "web/viewer"},
)
