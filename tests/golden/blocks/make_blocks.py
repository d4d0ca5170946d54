"""Golden blocks of every quantised file type, decoded by the gguf package (0.19.0).

    python3 tests/golden/blocks/make_blocks.py     (needs the Python packages gguf and numpy)

Writes per type NAME: NAME.blocks, 2 rows of 256 weights as a file holds them: random codes, scales
and minima; NAME.f32, their values; for K-types NAME.size, |scale code| + |minimum| of each.
"""
import pathlib

import gguf
import numpy as np

HALVES = {  # byte offsets of the f16 scale, and of the f16 minimum, within a block
    "Q4_0": (0, None), "Q4_1": (0, 2), "Q5_0": (0, None), "Q5_1": (0, 2), "Q8_0": (0, None),
    "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208, None),
}


def put_half(blocks, offset, values):
    blocks[:, offset:offset + 2] = values.astype(np.float16).reshape(-1, 1).view(np.uint8)


def main():
    here = pathlib.Path(__file__).parent
    random = np.random.default_rng(7)
    for name, (scale_at, minimum_at) in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (512 // elements, size), dtype=np.uint8)
        for offset in (scale_at, minimum_at):
            if offset is not None:
                put_half(blocks, offset, random.uniform(0.01, 0.1, len(blocks)))
        decode = lambda b: gguf.quants.dequantize(b.reshape(2, -1), kind).astype(np.float32)
        (here / f"{name}.blocks").write_bytes(blocks.tobytes())
        (here / f"{name}.f32").write_bytes(decode(blocks).tobytes())
        if name.endswith("_K"):
            parts = []
            for offset in (scale_at, minimum_at):
                if offset is None:
                    continue
                without = blocks.copy()
                put_half(without, offset, np.zeros(len(blocks)))
                parts.append(np.abs(decode(without)))
            total = sum(parts) if len(parts) == 2 else np.abs(decode(blocks))
            (here / f"{name}.size").write_bytes(total.astype(np.float32).tobytes())


if __name__ == "__main__":
    main()
