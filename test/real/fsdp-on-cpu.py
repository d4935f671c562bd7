"""Runs a script under torchrun as FSDP 2 does on GPUs: on a CPU alone accelerate would fall back to plain data parallelism.

    torchrun --nproc_per_node 2 fsdp-on-cpu.py train_trl.py config.json
"""

import os
import runpy
import sys

from accelerate import state

os.environ.update(
    ACCELERATE_USE_FSDP="true",
    FSDP_VERSION="2",
    FSDP_AUTO_WRAP_POLICY="TRANSFORMER_BASED_WRAP",
    FSDP_TRANSFORMER_CLS_TO_WRAP="LlamaDecoderLayer",
    FSDP_STATE_DICT_TYPE="SHARDED_STATE_DICT",
)
start = state.PartialState.__init__


def as_on_gpus(self, *args, **options):
    start(self, *args, **options)
    if self.distributed_type == state.DistributedType.MULTI_CPU:
        self.distributed_type = state.DistributedType.MULTI_GPU


state.PartialState.__init__ = as_on_gpus
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
