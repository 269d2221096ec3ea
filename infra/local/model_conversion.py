"""GGUF to safetensors, in a process of its own: `python -m infra.local.model_conversion model.gguf directory`."""

import os
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from functions.parent_watch import end_with


def convert(gguf: Path, directory: Path) -> None:
    """Write weights (bfloat16, dequantized) and tokenizer of `gguf` to `directory`."""
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(**source).save_pretrained(directory)


if __name__ == "__main__":
    end_with(os.getppid())
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
