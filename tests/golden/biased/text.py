"""Invented sentences to recall: what a small model can learn to read in minutes.

A document has a few sentences of two invented words and repeats them in random order. The first
mention can't be predicted, every later one can once its first letters are known, but only by
attention to a token that is mostly farther back than a recent window: damaged keys show in the
perplexity.
"""
import random

SYLLABLES = [c + v for c in 'bdfgklmnprstvz' for v in 'aeiou']


def word(rng):
    return ''.join(rng.choices(SYLLABLES, k=rng.choice([2, 2, 3])))


def document(rng, n_facts):
    facts = [f'{word(rng).capitalize()} {word(rng)}.' for _ in range(n_facts)]
    return ' '.join(rng.choices(facts, k=6 * n_facts)) + '\n'


def text(seed, n_bytes, n_facts=(6, 6)):
    """ASCII text of exactly n_bytes; the same seed gives the same text. n_facts: least, most."""
    rng, out, size = random.Random(seed), [], 0
    while size < n_bytes:
        out.append(document(rng, rng.randint(*n_facts)))
        size += len(out[-1])
    return ''.join(out)[:n_bytes]
