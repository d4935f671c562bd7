#!/usr/bin/env python3
"""The checkpoint of a GGUF file again in other number formats: python bench/peers/quantise.py FROM.gguf TO.gguf TYPE

TYPE is Q8_0 or Q4_0, for every matrix; vectors stay float32. Metadata are taken over, so that both llama.cpp and the
embedded engine read the file.
"""

import sys

import gguf
import numpy as np


def main() -> None:
    source, target, kind = sys.argv[1:4]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    quantised = getattr(gguf.GGMLQuantizationType, kind)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = field.contents()
        if name == "general.file_type":
            value = int(getattr(gguf.LlamaFileType, f"MOSTLY_{kind}"))
        kinds = field.types
        if kinds[0] == gguf.GGUFValueType.ARRAY:
            writer.add_key_value(name, value, kinds[0], kinds[-1])
        else:
            writer.add_key_value(name, value, kinds[0])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim == 2:
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, quantised), raw_dtype=quantised)
        else:
            writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
