#!/usr/bin/env python3
"""Shows in numpy what the biased model is for: perplexity through several KV caches.

    venv/bin/pip install numpy gguf && venv/bin/python check_biased.py

Prints bits per element (codes, scales and gains counted) and perplexity of evaluation.txt in
chunks of 512, second half scored. The latent code: keys centred by R_n mu and in the basis of
KQ-SVD, values centred and in the metric of W_O, a width per coordinate by one allowed error, a
gain per token, head and side (8 bits). Statistics come from calibration.txt.
"""
import os

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK, SINKS, WINDOW = 512, 4, 32
# Step of the best uniform quantiser of a unit Gaussian, and its distortion, by width.
STEP = {2: .9957, 3: .586, 4: .3352, 5: .1881, 6: .1041, 8: .0308}
DISTORTION = {0: 1.0, 2: .1188, 3: .03744, 4: .01154, 5: .003495, 6: .00104, 8: .0000877}


class Model:
    def __init__(self, path):
        reader = GGUFReader(path)
        self.w = {t.name: np.float32(dequantize(t.data, t.tensor_type)) for t in reader.tensors}
        field = lambda key: reader.fields['qwen2.' + key].contents()
        self.n_layer, self.d = field('block_count'), field('attention.key_length')
        self.n_head, self.n_kv = field('attention.head_count'), field('attention.head_count_kv')
        self.theta, self.eps = field('rope.freq_base'), field('attention.layer_norm_rms_epsilon')
        self.group = self.n_head // self.n_kv

    def norm(self, x, w):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * w

    def rope(self, x):
        """x [n, heads, d], pairs (i, i + d/2)."""
        half = self.d // 2
        angle = np.arange(len(x))[:, None, None] * self.theta ** (-np.arange(half) / half)
        cos, sin, a, b = np.cos(angle), np.sin(angle), x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1).astype(np.float32)

    def forward(self, ids, tap=None, code=None, exact=(SINKS, WINDOW)):
        """Logits [n, n_vocab]; code maps (layer, k after RoPE, v) to what a cache returns."""
        n, w, x, index = len(ids), self.w, self.w['token_embd.weight'][ids], np.arange(len(ids))
        mask = np.triu(np.full((n, n), -np.inf, np.float32), 1)
        is_exact = (index[:, None] - index < exact[1]) | (index < exact[0])
        for l in range(self.n_layer):
            p = f'blk.{l}.'
            h = self.norm(x, w[p + 'attn_norm.weight'])
            q, k, v = ((h @ w[f'{p}attn_{s}.weight'].T + w[f'{p}attn_{s}.bias'])
                       .reshape(n, -1, self.d) for s in 'qkv')
            qr, kr = self.rope(q), self.rope(k)
            if tap:
                tap(l, qr, k, kr, v)
            kc, vc = code(l, kr, v) if code else (kr, v)
            o = np.empty_like(q)
            for i in range(self.n_head):
                g = i // self.group
                s = np.where(is_exact, qr[:, i] @ kr[:, g].T, qr[:, i] @ kc[:, g].T)
                s = s / np.sqrt(self.d) + mask
                a = np.exp(s - s.max(-1, keepdims=True))
                a /= a.sum(-1, keepdims=True)
                e = a * is_exact
                o[:, i] = e @ v[:, g] + (a - e) @ vc[:, g]
            x = x + o.reshape(n, -1) @ w[p + 'attn_output.weight'].T
            h = self.norm(x, w[p + 'ffn_norm.weight'])
            gate = h @ w[p + 'ffn_gate.weight'].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w[p + 'ffn_up.weight'].T)
                     ) @ w[p + 'ffn_down.weight'].T
        return self.norm(x, w['output_norm.weight']) @ w['output.weight'].T


def perplexity(model, ids, **options):
    nll, at = [], np.arange(CHUNK // 2, CHUNK - 1)
    for begin in range(0, len(ids) - CHUNK + 1, CHUNK):
        b = ids[begin:begin + CHUNK]
        logits = model.forward(b, **options)[at].astype(np.float64)
        top = logits.max(-1)
        nll.append(np.log(np.exp(logits - top[:, None]).sum(-1)) + top
                   - logits[np.arange(len(at)), b[at + 1]])
    return float(np.exp(np.mean(nll)))


def statistics(model, ids, centred, skip=8):
    """Second moments per layer and KV head after centring (or not), and both means."""
    m, shape = model, (model.n_layer, model.n_kv, model.d)
    mean_k, mean_v = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    kk, qq, vv = (np.zeros((*shape, m.d)) for _ in range(3))
    chunks = [ids[c:c + CHUNK] for c in range(0, len(ids) - CHUNK + 1, CHUNK)]
    n = len(chunks) * (CHUNK - skip)

    def first(l, q, k, kr, v):
        mean_k[l] += centred * k[skip:].sum(0) / n
        mean_v[l] += v[skip:].sum(0) / n

    def second(l, q, k, kr, v):
        kr = (kr - m.rope(np.broadcast_to(mean_k[l], k.shape)))[skip:]
        for g in range(m.n_kv):
            group = q[skip:, g * m.group:(g + 1) * m.group].reshape(-1, m.d)
            kk[l, g] += kr[:, g].T @ kr[:, g] / n
            qq[l, g] += group.T @ group / (n * m.group)
            vv[l, g] += np.cov(v[skip:, g].T, bias=True) / len(chunks)

    for tap in (first, second):
        for b in chunks:
            m.forward(b, tap=tap)
    return kk, qq, vv, mean_k, mean_v


class LatentCode:
    """z = U^T M^(1/2) x, coordinates by falling variance, the smallest width that meets noise."""
    def __init__(self, covariance, metric, noise):
        val, vec = np.linalg.eigh(metric)
        s = np.sqrt(np.maximum(val, val.max() * 1e-8))
        half, inverse = (vec * s) @ vec.T, (vec / s) @ vec.T
        var, basis = np.linalg.eigh(half @ covariance @ half)
        var, basis = np.maximum(var[::-1], 1e-12), basis[:, ::-1]
        self.encoder, self.decoder = np.float32(basis.T @ half), np.float32(inverse @ basis)
        self.width = np.array([next((b for b, e in DISTORTION.items() if v * e <= noise), 8)
                               for v in var])
        self.step = np.array([STEP.get(b, 1) * np.sqrt(v) for b, v in zip(self.width, var)])
        self.bits = self.width.mean() + 8 / len(var)

    def __call__(self, x):
        z, half = x @ self.encoder.T, 2.0 ** (self.width - 1)
        limit = np.where(self.width > 0, half * self.step, np.inf)
        gain = np.maximum(1, (np.abs(z) / limit).max(-1, keepdims=True))
        gain = 2 ** (np.ceil(8 * np.log2(gain)) / 8)
        level = np.clip(np.floor(z / gain / self.step), -half, half - 1) + .5
        return np.float32(np.where(self.width > 0, level * self.step * gain, 0)) @ self.decoder.T


class LatentCache:
    def __init__(self, model, stats, noise_k, noise_v):
        kk, qq, vv, self.mean_k, self.mean_v = stats
        self.m, heads = model, [(l, g) for l in range(model.n_layer) for g in range(model.n_kv)]
        self.k = {h: LatentCode(kk[h], qq[h] / model.d, noise_k) for h in heads}
        self.v = {}
        for l, g in heads:
            o = model.w[f'blk.{l}.attn_output.weight'].reshape(-1, model.n_kv, model.group, model.d)
            metric = np.einsum('eij,eik->jk', o[:, g], o[:, g]).astype(np.float64)
            self.v[l, g] = LatentCode(
                vv[l, g], metric * model.d / np.trace(metric @ vv[l, g]), noise_v)
        self.bits = [float(np.mean([c.bits for c in s.values()])) for s in (self.k, self.v)]

    def __call__(self, l, k, v):
        mean_k = self.m.rope(np.broadcast_to(self.mean_k[l], k.shape))
        out = ([], [])
        for g in range(self.m.n_kv):
            out[0].append(self.k[l, g](k[:, g] - mean_k[:, g]) + mean_k[:, g])
            out[1].append(self.v[l, g](v[:, g] - self.mean_v[l, g]) + self.mean_v[l, g])
        return np.stack(out[0], 1), np.stack(out[1], 1)


class Blocks:
    """Blocks of 32 with one F16 scale: q4_0's rule at 4 bits, q8_0's at 8; rotated or not."""
    def __init__(self, d, n_bits, rotate):
        h = np.ones((1, 1))
        while rotate and len(h) < d:
            h = np.block([[h, h], [h, -h]])
        self.h = np.float32(h / np.sqrt(d)) if rotate else np.eye(d, dtype=np.float32)
        self.n_bits, self.bits = n_bits, [n_bits + .5] * 2

    def block(self, x):
        y, half = (x @ self.h).reshape(-1, 32), 2 ** (self.n_bits - 1)
        top = y[np.arange(len(y)), np.abs(y).argmax(-1)][:, None]
        if self.n_bits == 8:
            scale = np.float32(np.float16(np.abs(top) / 127)) + 1e-12
            return (np.round(y / scale) * scale).reshape(x.shape) @ self.h.T
        scale = np.float32(np.float16(-top / half)) + 1e-12
        level = np.clip(np.floor(y / scale + half + .5), 0, 2 * half - 1) - half
        return (level * scale).reshape(x.shape) @ self.h.T

    def __call__(self, l, k, v):
        return self.block(k), self.block(v)


def share_out(model, stats, bits):
    """The noise of keys and values, in the ratio 1 to 8, at which both together take `bits`."""
    low, high = 1e-5, 1.0
    for _ in range(30):
        middle = np.sqrt(low * high)
        few = np.mean(LatentCache(model, stats, middle, 8 * middle).bits) <= bits
        low, high = (low, middle) if few else (middle, high)
    return LatentCache(model, stats, high, 8 * high)


def main():
    model = Model(os.path.join(HERE, 'biased.gguf'))
    read = lambda name: np.frombuffer(open(os.path.join(HERE, name), 'rb').read(), np.uint8)
    test, calibration = read('evaluation.txt'), read('calibration.txt')
    full = perplexity(model, test)
    share = np.bincount(test, minlength=256) / len(test)
    unigram = np.exp(-np.log(share[share > 0]) @ share[share > 0])
    print(f'unigram {unigram:.3f}, full {full:.3f}')

    def report(name, code, exact=(SINKS, WINDOW)):
        ppl, (k, v) = perplexity(model, test, code=code, exact=exact), code.bits
        print(f'{name:32s} bits {k:.2f} / {v:.2f} / {(k + v) / 2:.2f}  ppl {ppl:.3f}'
              f'  {100 * (ppl / full - 1):+.2f} %', flush=True)

    for n_bits in (8, 4):
        for rotate in (False, True):
            name = f'q{n_bits}_0' + 'h' * rotate
            report(name + ', nothing exact', Blocks(model.d, n_bits, rotate), (0, 0))
            report(name, Blocks(model.d, n_bits, rotate))
    for centred in (1, 0):
        stats = statistics(model, calibration, centred)
        for bits in (3.0, 2.5, 2.0):
            report('latent' + ', centred' * centred, share_out(model, stats, bits))


if __name__ == '__main__':
    main()
