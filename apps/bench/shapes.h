// Models given by their shape alone, and machines given by numbers.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/traffic/machine.h"
#include "models/config.h"

namespace lowkey::apps {

/// "llama-3-8b", "qwen2.5-7b", ...; an unknown name lists them.
Result<models::ModelConfig> model_shape(const std::string& name);

/// "400GB/s" or "400": bytes per second.
Result<double> parse_bandwidth(const std::string& text);

/// "4GB", "800MiB": bytes.
Result<double> parse_bytes(const std::string& option, const std::string& text);

}  // namespace lowkey::apps
