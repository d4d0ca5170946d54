"""Makes sentencepiece.json: two tiny models (BPE with byte fallback, unigram) and their ids.

Needs `sentencepiece` (0.2). python3 make_sentencepiece.py > sentencepiece.json
"""
import io
import json

import sentencepiece as spm

WORDS = ("the quick brown fox jumps over the lazy dog while seven wizards make toxic brew "
         "for the evil queen and jack reading and writing numbers 12 345 6789 a b c").split()
LINES = [" ".join(WORDS[i % len(WORDS)] for i in range(j, j + 7 + j % 5)) for j in range(200)]
TEXTS = [
    "the quick brown fox", "The Quick", "lazylazy dogdog", "  two  spaces  ", "", " ", "a", "é", "日本",
    "number 12 345", "queen\nqueen\ttab", "x" * 50, "wizards!?", "reading writing", "🙂 ok 🙂", "under▁score",
]
OPTIONS = dict(vocab_size=380, hard_vocab_limit=False, normalization_rule_name="identity",
               remove_extra_whitespaces=False, user_defined_symbols=["<tool>"], minloglevel=2)
MODELS = {
    "llama": dict(OPTIONS, model_type="bpe", byte_fallback=True),
    "t5": dict(OPTIONS, model_type="unigram", vocab_size=120),
    "t5 collapsing": dict(OPTIONS, model_type="unigram", vocab_size=120, remove_extra_whitespaces=True),
}


def kind(sp, i):
    if sp.is_byte(i):
        return 6
    if sp.is_unknown(i):
        return 2
    if sp.is_control(i):
        return 3
    return 4 if sp.id_to_piece(i) == "<tool>" else 1


out = {}
for name, options in MODELS.items():
    blob = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=blob, **options)
    sp = spm.SentencePieceProcessor(model_proto=blob.getvalue())
    n = sp.get_piece_size()
    out[name] = {
        "pieces": [sp.id_to_piece(i) for i in range(n)],
        "scores": [round(sp.get_score(i), 6) for i in range(n)],
        "kinds": [kind(sp, i) for i in range(n)],
        "collapse": options["remove_extra_whitespaces"],
        "cases": [{"text": t, "ids": sp.encode(t), "decoded": sp.decode(sp.encode(t))} for t in TEXTS],
    }
print(json.dumps(out).replace('{"text"', '\n{"text"'))
