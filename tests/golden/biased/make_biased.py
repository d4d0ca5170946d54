#!/usr/bin/env python3
"""Trains the small biased model of this folder and writes its texts. The build never runs it.

    venv/bin/pip install numpy torch gguf && venv/bin/python make_biased.py [STEPS]

A Qwen2-type model (biases on q, k, v; byte vocabulary) of 2 layers learns the invented text of
text.py, from a hand-made start. Its key biases are planted before training and never move: tens
in the slowest rotary pairs, as in the Qwen2 family, where they hardly change attention (they add
nearly the same to the score of every token) but swamp any block-scaled code of the keys.
Made with torch 2.15.0 on one CPU core in 90 s. Another machine trains a slightly different model.
"""
import math
import os
import sys
import time

import gguf
import numpy as np
import torch
import torch.nn.functional as F

from text import text

HERE = os.path.dirname(os.path.abspath(__file__))
N_LAYER, N_EMBD, N_HEAD, N_KV, HEAD_DIM, N_FF, VOCAB = 2, 64, 4, 2, 64, 96, 256
THETA, EPS, CONTEXT = 1e6, 1e-6, 512
CODE = 12  # size of a token's code in the hand-made start
BIASED_PAIRS, BIAS = range(22, 32), (15.0, 60.0)  # rotary pairs; smallest and largest magnitude


def rope_table(n):
    angle = torch.arange(n)[:, None] * THETA ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    return angle.cos(), angle.sin()


def rope(x, table):
    """x [batch, heads, n, d]; pairs are (i, i + d/2)."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * table[0] - b * table[1], a * table[1] + b * table[0]], -1)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        linear = torch.nn.Linear
        self.attn_norm = torch.nn.RMSNorm(N_EMBD, EPS)
        self.ffn_norm = torch.nn.RMSNorm(N_EMBD, EPS)
        self.attn_q = linear(N_EMBD, N_HEAD * HEAD_DIM)
        self.attn_k = linear(N_EMBD, N_KV * HEAD_DIM)
        self.attn_v = linear(N_EMBD, N_KV * HEAD_DIM)
        self.attn_output = linear(N_HEAD * HEAD_DIM, N_EMBD, bias=False)
        self.ffn_gate = linear(N_EMBD, N_FF, bias=False)
        self.ffn_up = linear(N_EMBD, N_FF, bias=False)
        self.ffn_down = linear(N_FF, N_EMBD, bias=False)
        self.plant()

    def plant(self):
        """Large key biases, exact in F16, that training leaves alone; the rest of them may move."""
        half, pairs = HEAD_DIM // 2, torch.tensor(BIASED_PAIRS)
        planted = torch.zeros(N_KV, HEAD_DIM)
        for column in (pairs, pairs + half):
            size = torch.empty(N_KV, len(pairs)).uniform_(*BIAS).round()
            planted[:, column] = size * torch.randint(0, 2, size.shape).mul(2).sub(1)
        self.attn_k.bias.data = planted.flatten()
        self.attn_k.bias.register_hook(lambda grad: grad * (planted.flatten() == 0))

    def forward(self, x, table):
        batch, n, _ = x.shape
        split = lambda y: y.view(batch, n, -1, HEAD_DIM).transpose(1, 2)
        h = self.attn_norm(x)
        q, k, v = split(self.attn_q(h)), split(self.attn_k(h)), split(self.attn_v(h))
        k, v = (y.repeat_interleave(N_HEAD // N_KV, 1) for y in (rope(k, table), v))
        o = F.scaled_dot_product_attention(rope(q, table), k, v, is_causal=True)
        x = x + self.attn_output(o.transpose(1, 2).reshape(batch, n, -1))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = torch.nn.Embedding(VOCAB, N_EMBD)
        self.blk = torch.nn.ModuleList(Layer() for _ in range(N_LAYER))
        self.output_norm = torch.nn.RMSNorm(N_EMBD, EPS)
        self.output = torch.nn.Linear(N_EMBD, VOCAB, bias=False)
        for p in self.parameters():
            if p.ndim == 2:
                torch.nn.init.normal_(p, std=0.03)
        with torch.no_grad():
            self.start_as_copier(torch.nn.functional.normalize(torch.randn(VOCAB, CODE)))

    def start_as_copier(self, code):
        """A hand-made induction circuit, for training alone takes hours to find one.

        Layer 0 fetches the codes of the 3 tokens before each token, by biases in the fast rotary
        pairs. Layer 1 looks for the place whose 3 tokens before it are the newest 3 here, in the
        slow pairs (which hold the planted biases), and copies what stood there.
        code [VOCAB, CODE]: unit vectors.
        """
        first, second = self.blk
        half, fast, one = HEAD_DIM // 2, torch.arange(8), torch.eye(CODE)
        slow = torch.cat([torch.arange(14, half), torch.arange(14, half) + half])
        block = lambda i: slice(i * CODE, (i + 1) * CODE)
        self.token_embd.weight[:, block(0)] = code
        self.output.weight[:, block(4)] = 3 * code
        turn = torch.arange(1, N_HEAD + 1)[:, None] * THETA ** (-fast / half)
        q, k = first.attn_q.bias.view(N_HEAD, -1), first.attn_k.bias.view(N_KV, -1)
        k[:, fast] = 5.0
        q[:, fast], q[:, fast + half] = 5.0 * turn.cos(), -5.0 * turn.sin()
        for layer, size in ((first, 1 / 8), (second, 1 / 4)):
            for g in range(N_KV):
                layer.attn_v.weight[g * HEAD_DIM:][:CODE, block(0)] += size * one
        for h in range(N_HEAD):
            if h < 3:
                first.attn_output.weight[block(h + 1), h * HEAD_DIM:][:, :CODE] += one
            second.attn_output.weight[block(4), h * HEAD_DIM:][:, :CODE] += 0.5 * one
            for i in range(3):
                rows = (h * HEAD_DIM + slow[block(i)])[:, None]
                second.attn_q.weight[rows, torch.arange(N_EMBD)[block(i)]] += 1.5 * one
                if h < N_KV:
                    second.attn_k.weight[rows, torch.arange(N_EMBD)[block(i + 1)]] += 1.5 * one

    def forward(self, ids):
        x, table = self.token_embd(ids), rope_table(ids.shape[1])
        for layer in self.blk:
            x = layer(x, table)
        return self.output(self.output_norm(x))


def train(model, n_steps):
    data = torch.tensor(list(text(1, 2_000_000, (2, 6)).encode()))
    moving = [p for p in model.parameters() if p.requires_grad]
    groups = [{'params': [p for p in moving if p.ndim == 2], 'weight_decay': 0.1},
              {'params': [p for p in moving if p.ndim < 2], 'weight_decay': 0.0}]
    optimiser, start = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.98)), time.time()
    for step in range(n_steps):
        rate = min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / n_steps)) + 0.01
        for group in optimiser.param_groups:
            group['lr'] = 2e-3 * rate
        n, batch = (96, 12) if step < 0.85 * n_steps else (CONTEXT, 4)
        at = torch.randint(0, len(data) - n - 1, (batch, 1)) + torch.arange(n + 1)
        ids = data[at]
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        optimiser.step()
        if step % 50 == 0 or step == n_steps - 1:
            print(f'{step:5d} loss {loss.item():.3f} ({time.time() - start:.0f} s)', flush=True)


def byte_symbols():
    """GPT-2's printable symbol of every byte value; token id = byte value. Readers of byte-level
    BPE want at least one merge: two zero bytes take the place of 255, which UTF-8 never has."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    symbols = [chr(b if b in printable else next(spare)) for b in range(256)]
    return symbols[:255] + [symbols[0] * 2]


def save_gguf(path, model):
    out = gguf.GGUFWriter(path, 'qwen2')
    out.add_name('biased')
    out.add_description('Small Qwen2-type model with large planted key biases, for tests')
    out.add_context_length(CONTEXT)
    out.add_embedding_length(N_EMBD)
    out.add_block_count(N_LAYER)
    out.add_feed_forward_length(N_FF)
    out.add_head_count(N_HEAD)
    out.add_head_count_kv(N_KV)
    out.add_key_length(HEAD_DIM)
    out.add_value_length(HEAD_DIM)
    out.add_layer_norm_rms_eps(EPS)
    out.add_rope_freq_base(THETA)
    out.add_tokenizer_model('gpt2')
    out.add_tokenizer_pre('qwen2')
    symbols = byte_symbols()
    out.add_token_list(symbols)
    out.add_token_types([gguf.TokenType.NORMAL] * VOCAB)
    out.add_token_merges([f'{symbols[0]} {symbols[0]}'])
    out.add_bos_token_id(0)
    out.add_eos_token_id(0)
    out.add_add_bos_token(False)
    for name, p in model.state_dict().items():
        out.add_tensor(name, p.numpy().astype(np.float16 if p.ndim == 2 else np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main(n_steps=800):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Model()
    train(model, n_steps)
    save_gguf(os.path.join(HERE, 'biased.gguf'), model)
    for name, seed, n_bytes in (('calibration.txt', 2, 16384), ('evaluation.txt', 3, 8192)):
        with open(os.path.join(HERE, name), 'w') as out:
            out.write(text(seed, n_bytes))


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
