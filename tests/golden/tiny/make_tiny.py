#!/usr/bin/env python3
"""Makes the tiny models of this folder and their golden logits. The build never runs it.

    python3 -m venv venv && venv/bin/pip install numpy torch transformers safetensors gguf
    venv/bin/python make_tiny.py

Made with torch 2.15.0, transformers 5.23.0, gguf 0.19 and numpy 2.4 (see "made_with" in each
golden.json). Weights come from numpy's PCG64 with a fixed seed, so another version of these
packages makes the same weights; logits may differ in the last digits.

Every weight is exact in BF16, F16 and F32 alike: the safetensors folder and the GGUF file hold
the same numbers whatever type they are stored in. Norm weights and biases are far from 1 and 0,
frequencies are high enough for 48 positions, and eps is large where that is harmless, so that a
feature left out moves the logits visibly ("effects" in golden.json says by how much).
"""
import importlib.metadata
import json
import os
import shutil

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
N_TOKENS, POSITIONS = 48, [0, 2, 7, 31, 33, 47]
LLAMA3 = {'rope_type': 'llama3', 'factor': 4.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
          'original_max_position_embeddings': 32}
SHAPE = {'hidden_size': 32, 'intermediate_size': 32, 'num_hidden_layers': 2, 'vocab_size': 64,
         'max_position_embeddings': 128, 'hidden_act': 'silu', 'bos_token_id': 0,
         'eos_token_id': 0}
# config.json as the hub has it: the first three in the spelling of transformers 4 (rope_theta,
# rope_scaling, torch_dtype), the last in that of transformers 5 (rope_parameters, dtype).
MODELS = {
    'llama3': {
        'seed': 1, 'hf_type': torch.bfloat16, 'gguf_type': 'F16', 'shards': 1,
        'effects': {'rope_scaling': {'rope_scaling': None}, 'rms_norm_eps': {'rms_norm_eps': 1e-5}},
        'config': {**SHAPE, 'architectures': ['LlamaForCausalLM'], 'model_type': 'llama',
                   'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 16,
                   'rms_norm_eps': 0.01, 'rope_theta': 1000.0, 'rope_scaling': LLAMA3,
                   'attention_bias': False, 'mlp_bias': False, 'tie_word_embeddings': False,
                   'torch_dtype': 'bfloat16'}},
    'llama_linear': {
        'seed': 2, 'hf_type': torch.float16, 'gguf_type': 'BF16', 'shards': 1,
        'effects': {'rope_scaling': {'rope_scaling': None}, 'rope_theta': {'rope_theta': 1e4}},
        'config': {**SHAPE, 'architectures': ['LlamaForCausalLM'], 'model_type': 'llama',
                   'num_hidden_layers': 1, 'num_attention_heads': 2, 'num_key_value_heads': 1,
                   'rms_norm_eps': 1e-5,
                   'rope_theta': 500.0, 'rope_scaling': {'type': 'linear', 'factor': 2.0},
                   'tie_word_embeddings': True, 'torch_dtype': 'float16'}},
    'qwen2': {
        'seed': 3, 'hf_type': torch.bfloat16, 'gguf_type': 'F16', 'shards': 2,
        'effects': {'qkv_bias': 'bias'},
        'config': {**SHAPE, 'architectures': ['Qwen2ForCausalLM'], 'model_type': 'qwen2',
                   'num_attention_heads': 2, 'num_key_value_heads': 1, 'rms_norm_eps': 1e-6,
                   'rope_theta': 1000.0, 'tie_word_embeddings': True, 'use_sliding_window': False,
                   'sliding_window': 128, 'max_window_layers': 2, 'torch_dtype': 'bfloat16'}},
    'qwen3': {
        'seed': 4, 'hf_type': torch.float16, 'gguf_type': 'F16', 'shards': 1,
        'effects': {'qk_norm': '_norm.weight'},
        'config': {**SHAPE, 'architectures': ['Qwen3ForCausalLM'], 'model_type': 'qwen3',
                   'num_hidden_layers': 1, 'max_window_layers': 1,
                   'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 16,
                   'rms_norm_eps': 1e-6, 'tie_word_embeddings': True, 'attention_bias': False,
                   'use_sliding_window': False, 'sliding_window': None,
                   'rope_parameters': {'rope_type': 'default', 'rope_theta': 1000.0},
                   'dtype': 'float16'}},
}


def exact(x):
    """Nearest BF16 numbers, those too small for F16's normal range set to 0. float32 array."""
    y = torch.tensor(np.asarray(x), dtype=torch.float32).to(torch.bfloat16).float()
    return torch.where(y.abs() < 2.0 ** -14, 0.0, y).numpy()


def weights(config, rng):
    """Tensor name of transformers -> float32 array; a fixed order, so a seed names one model."""
    e, f, vocab = (config[k] for k in ('hidden_size', 'intermediate_size', 'vocab_size'))
    n, n_kv = config['num_attention_heads'], config['num_key_value_heads']
    d = config.get('head_dim', e // n)
    normal = lambda std, *shape: exact(rng.normal(0, std, shape))
    gain = lambda size: exact(rng.uniform(0.5, 1.5, size))
    w = {'model.embed_tokens.weight': normal(1.0, vocab, e)}
    for i in range(config['num_hidden_layers']):
        layer, attn = f'model.layers.{i}.', f'model.layers.{i}.self_attn.'
        w[layer + 'input_layernorm.weight'] = gain(e)
        w[layer + 'post_attention_layernorm.weight'] = gain(e)
        for s, rows, std in (('q', n * d, 0.3), ('k', n_kv * d, 0.3), ('v', n_kv * d, 0.3)):
            w[attn + s + '_proj.weight'] = normal(std, rows, e)
            if config['model_type'] == 'qwen2':
                w[attn + s + '_proj.bias'] = normal(0.7, rows)
        w[attn + 'o_proj.weight'] = normal(0.2, e, n * d)
        if config['model_type'] == 'qwen3':
            w[attn + 'q_norm.weight'], w[attn + 'k_norm.weight'] = gain(d), gain(d)
        for s, shape in (('gate', (f, e)), ('up', (f, e)), ('down', (e, f))):
            w[f'{layer}mlp.{s}_proj.weight'] = normal(0.25, *shape)
    w['model.norm.weight'] = gain(e)
    if not config['tie_word_embeddings']:
        w['lm_head.weight'] = normal(0.3, vocab, e)
    return w


def save_folder(path, model, w):
    """config.json with one safetensors file, or shards and their index."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    with open(os.path.join(path, 'config.json'), 'w') as out:
        out.write(json.dumps(model['config'], indent=2) + '\n')
    tensors = {k: torch.tensor(v).to(model['hf_type']) for k, v in w.items()}
    n, names = model['shards'], list(tensors)
    if n == 1:
        return save_file(tensors, os.path.join(path, 'model.safetensors'), {'format': 'pt'})
    place = {}
    for i in range(n):
        file = f'model-{i + 1:05d}-of-{n:05d}.safetensors'
        part = {k: tensors[k] for k in names[i * len(names) // n:(i + 1) * len(names) // n]}
        place.update({k: file for k in part})
        save_file(part, os.path.join(path, file), {'format': 'pt'})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    with open(os.path.join(path, 'model.safetensors.index.json'), 'w') as out:
        index = {'metadata': {'total_size': total}, 'weight_map': dict(sorted(place.items()))}
        out.write(json.dumps(index, indent=2) + '\n')


def pairs_to_neighbours(x, n_heads):
    """Rows of q or k reordered so that a rotary pair (i, i + d/2) becomes (2i, 2i + 1)."""
    return x.reshape(n_heads, 2, -1, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def llama3_divisors(scaling, theta, d):
    """What each rotary frequency is divided by; the formula of Llama 3's reference code."""
    wavelength = 2 * np.pi * theta ** (np.arange(0, d, 2) / d)
    turns = scaling['original_max_position_embeddings'] / wavelength
    low, high, factor = (scaling[k] for k in ('low_freq_factor', 'high_freq_factor', 'factor'))
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


GGUF_NAMES = {
    'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', 'lm_head': 'output',
    'input_layernorm': 'attn_norm', 'post_attention_layernorm': 'ffn_norm',
    'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k', 'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output', 'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm', 'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down'}


def gguf_name(name):
    stem, kind = name.rsplit('.', 1)
    if stem.startswith('model.layers.'):
        layer, part = stem[len('model.layers.'):].split('.', 1)
        return f'blk.{layer}.{GGUF_NAMES[part]}.{kind}'
    return f'{GGUF_NAMES[stem]}.{kind}'


def add_tokenizer(out, n_vocab):
    """Byte-level BPE: token i is the i-th byte symbol of GPT-2's alphabet, the last one a merge."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(c) for c in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    out.add_tokenizer_model('gpt2')
    out.add_tokenizer_pre('gpt-2')
    out.add_token_list(symbols[:n_vocab - 1] + [symbols[0] * 2])
    out.add_token_types([gguf.TokenType.NORMAL] * n_vocab)
    out.add_token_merges([f'{symbols[0]} {symbols[0]}'])
    out.add_bos_token_id(0)
    out.add_eos_token_id(0)
    out.add_add_bos_token(False)


def save_gguf(path, name, model, w):
    """The same weights as llama.cpp's converter would lay them out."""
    c, family = model['config'], model['config']['model_type']
    n, n_kv = c['num_attention_heads'], c['num_key_value_heads']
    d = c.get('head_dim', c['hidden_size'] // n)
    scaling = c.get('rope_scaling') or {}
    out = gguf.GGUFWriter(path, family)
    out.add_name(f'tiny {name}')
    out.add_context_length(c['max_position_embeddings'])
    out.add_embedding_length(c['hidden_size'])
    out.add_block_count(c['num_hidden_layers'])
    out.add_feed_forward_length(c['intermediate_size'])
    out.add_head_count(n)
    out.add_head_count_kv(n_kv)
    out.add_layer_norm_rms_eps(c['rms_norm_eps'])
    out.add_rope_freq_base(c.get('rope_theta', 1000.0))
    out.add_key_length(d)
    out.add_value_length(d)
    if family == 'llama':
        out.add_vocab_size(c['vocab_size'])
        out.add_rope_dimension_count(d)
    if scaling.get('type') == 'linear':
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(scaling['factor'])
    add_tokenizer(out, c['vocab_size'])
    if scaling.get('rope_type') == 'llama3':
        out.add_tensor('rope_freqs.weight', llama3_divisors(scaling, c['rope_theta'], d))
    for key, x in w.items():
        if family == 'llama' and ('q_proj' in key or 'k_proj' in key):
            x = pairs_to_neighbours(x, n if 'q_proj' in key else n_kv)
        kind = GGMLQuantizationType[model['gguf_type'] if x.ndim == 2 else 'F32']
        out.add_tensor(gguf_name(key), gguf.quants.quantize(x, kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def logits(folder, ids, dtype=torch.float32, override=None, neutral=None):
    """Reference logits [n_tokens, n_vocab]. neutral: tensors so named count as absent."""
    config = transformers.AutoConfig.from_pretrained(folder)
    for key, value in (override or {}).items():
        rope = dict(config.rope_parameters)
        if key == 'rope_scaling':
            config.rope_parameters = {'rope_type': 'default', 'rope_theta': rope['rope_theta']}
        elif key == 'rope_theta':
            config.rope_parameters = {**rope, 'rope_theta': value}
        else:
            setattr(config, key, value)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=dtype, attn_implementation='eager').eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if neutral and name.endswith(neutral) and 'self_attn' in name:
                p.fill_(0.0 if neutral == 'bias' else 1.0)
        return model(torch.tensor(ids)[None]).logits[0].double().numpy()


def main():
    transformers.utils.logging.disable_progress_bar()
    for name, model in MODELS.items():
        rng = np.random.default_rng(model['seed'])
        w = weights(model['config'], rng)
        ids = rng.integers(0, model['config']['vocab_size'], N_TOKENS).tolist()
        folder = os.path.join(HERE, name)
        save_folder(folder, model, w)
        save_gguf(os.path.join(HERE, f'{name}.gguf'), name, model, w)
        reference = logits(folder, ids)
        rounding = float(np.abs(reference - logits(folder, ids, torch.float64)).max())
        effects = {}
        for what, change in model['effects'].items():
            kind = 'neutral' if isinstance(change, str) else 'override'
            other = logits(folder, ids, **{kind: change})
            effects[what] = float(f'{np.abs(other - reference)[POSITIONS].max():.3g}')
        versions = {p: importlib.metadata.version(p) for p in ('torch', 'transformers', 'gguf')}
        rows = ',\n'.join('  [' + ', '.join(f'{x:.7g}' for x in reference[p]) + ']'
                          for p in POSITIONS)
        with open(os.path.join(folder, 'golden.json'), 'w') as out:
            out.write(f'{{"folder": "{name}", "gguf": "{name}.gguf",\n "ids": {ids},\n'
                      f' "positions": {POSITIONS},\n "rounding": {rounding:.2g},\n'
                      f' "effects": {json.dumps(effects)},\n'
                      f' "made_with": {json.dumps(versions)},\n "logits": [\n{rows}\n ]}}\n')
        print(name, 'std', reference.std().round(3), 'rounding', rounding, effects)


if __name__ == '__main__':
    main()
