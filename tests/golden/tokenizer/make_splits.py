"""Makes splits.json: how Hugging Face's `tokenizers` (0.23) cuts nasty texts into words.

python3 make_splits.py > splits.json
"""
import json

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def split_of(pattern):
    return Sequence([Split(Regex(pattern), "isolated"),
                     ByteLevel(add_prefix_space=False, use_regex=False)])


PRE = {
    "gpt-2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
    "llama-bpe": split_of(LLAMA3),
    "qwen2": split_of(QWEN2),
}
TEXTS = [
    "Hello, world!", "don't DON'T we'LL I'm you'Ve they'd it's 'S 'tis o'clock '\u017f x'\u212a",
    "0 12 345 6789 1234567890 3.14 1,000 0x1F", "日本語のテキスト、漢字かな 한국어 中文。",
    "emoji 😀👩‍👩‍👧‍👦🇫🇷 👍🏽 end", "e\u0301 combining n\u0303o \u0928\u092e\u0938\u094d\u0924\u0947",
    "trailing spaces   ", "   leading", "a  b   c    d", "\r\nCRLF\r\n\r\nlines\r\n", "lone\rcr\r\rtwo",
    "tabs\tand\t\ttabs \t mixed\n \n  \n", "\n\n\nthree", "end\n", "a" * 300, " " * 300, " " * 300 + "x",
    "!" * 300, "7" * 300, "\u00a0nbsp\u2003emsp\u200bzwsp\u3000ideo\u1680og\u180emong\u0085nel",
    "١٢٣ ½ ² Ⅷ ㊿ ৪৫", "x=1;y+=2;//c++\nfor(int i=0;i<10;++i){}\n\treturn;\n", "http://a.b/c?d=e&f=%20#g",
    "CamelCase snake_case kebab-case", "naïve Ångström Straße ﬁ ｆｕｌｌ", "$100 50% #1 @me (a) [b] {c}",
    " 'quoted' \"double\" `code`", "'", "''s", "'re're", " \n", "\t", "  \n  x", "a\n\n b\n \n", "…—–·", "א ב עברית",
]
PRINTS = [*range(33, 127), *range(161, 173), *range(174, 256)]
MOVED = [b for b in range(256) if b not in PRINTS]
BYTE_OF = {**{chr(b): b for b in PRINTS}, **{chr(256 + i): b for i, b in enumerate(MOVED)}}


def words(pre, text):
    return [bytes(BYTE_OF[c] for c in word).decode("utf-8") for word, _ in pre.pre_tokenize_str(text)]


if __name__ == "__main__":
    rows = [{"text": text, **{name: words(pre, text) for name, pre in PRE.items()}} for text in TEXTS]
    print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
