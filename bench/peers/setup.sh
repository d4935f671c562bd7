#!/usr/bin/env bash
# Installs the peers that `npm run bench:peers` compares with into a virtual environment; llama-cpp-python is built for
# this processor, which takes minutes and needs a C++ compiler and CMake.
#   bench/peers/setup.sh [TARGET]     default: ~/.cache/aftertune/peers
set -euo pipefail

target="${1:-$HOME/.cache/aftertune/peers}"
python="${PYTHON:-python3}"
"$python" -m venv "$target"
"$target/bin/pip" install --quiet torch --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" ||
  "$target/bin/pip" install --quiet torch
"$target/bin/pip" install --quiet transformers accelerate peft trl datasets gguf safetensors
CMAKE_ARGS="-DGGML_NATIVE=ON" "$target/bin/pip" install --quiet --no-binary llama-cpp-python llama-cpp-python
echo "peers are in $target: npm run bench:peers -- --python $target/bin/python"
