// Reads a tokeniser out of GGUF metadata (the tokenizer.ggml.* keys).
#pragma once

#include "models/gguf/metadata.h"
#include "models/tokenizer/tokenizer.h"

namespace lowkey::models {

/// Models "gpt2" (byte-level BPE), "llama" (SentencePiece BPE) and "t5" (unigram); kUnsupported
/// for others and for unknown pre-tokenisers, kInvalidData for tables that contradict each other.
/// A vocabulary with a table of normalisations (T5's) encodes ASCII only, and says so.
Result<Tokenizer> tokenizer_from_gguf(const gguf::Metadata& metadata);

}  // namespace lowkey::models
