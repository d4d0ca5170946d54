"""Makes two tiny byte-level tokenisers with Hugging Face's `tokenizers` (0.23), and their ids.

python3 make_json.py > json_tokenizers.json: {"name": {"tokenizer": {tokenizer.json}, "cases": [...]}}
"""
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizers.normalizers import NFC

from make_splits import LLAMA3

LINES = ["the quick brown fox jumps over the lazy dog", "don't we'll they've 12 345 6789", "naïve café 日本",
         "def f(x):\n    return x + 1\n", "reading and writing, reading and writing"] * 4
TEXTS = ["the quick fox", "don't DON'T", "<|im_start|>user\nhi<|im_end|>", "x <tool> y <mask> z  <mask>  w",
         "12345 67", "日本 é 🙂", "  two  spaces  ", "", "return\n\n\treturn", "<|im_start", "reading<|im_end|><|im_end|>"]


def train(pre, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=330, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    return tokenizer


gpt2 = train(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                      pre_tokenizers.ByteLevel(add_prefix_space=False)]))
llama = train(pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), ignore_merges=True)
llama.normalizer = NFC()
llama.post_processor = processors.Sequence([
    processors.ByteLevel(trim_offsets=False),
    processors.TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])])

out = {}
for name, tokenizer in {"digits": gpt2, "template": llama}.items():
    out[name] = {"tokenizer": json.loads(tokenizer.to_str()), "cases": [
        {"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids,
         "with_bos": tokenizer.encode(t).ids} for t in TEXTS]}
print(json.dumps(out).replace('{"text"', '\n{"text"').replace('"merges": ', '\n"merges": '))
