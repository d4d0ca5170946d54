#include "apps/bench/options.h"

#include "apps/bench/number_list.h"

namespace lowkey::apps {

namespace {

void add_numbers(CLI::App& command, const std::string& name, std::vector<int64_t>& numbers,
                 const std::string& help) {
  command.add_option_function<std::string>(
      name,
      [&numbers, name](const std::string& text) {
        auto parsed = parse_numbers(name, text);
        if (!parsed.ok()) throw CLI::ValidationError(parsed.error().message());
        numbers = std::move(parsed).value();
      },
      help + ": lists 0,512, ranges 1-16*2, 0-8192+1024");
}

void add_prompt_and_text(CLI::App& command, BenchOptions& o) {
  command.add_option_function<std::vector<std::string>>(
      "--pg",
      [&o](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
          auto parsed = parse_numbers("-pg", text);
          if (!parsed.ok()) throw CLI::ValidationError(parsed.error().message());
          if (parsed->size() != 2 || parsed->at(0) < 1 || parsed->at(1) < 1) {
            throw CLI::ValidationError("-pg: expected two lengths, as in 512,128; found " + text);
          }
          o.prompts_and_texts.push_back({parsed->at(0), parsed->at(1)});
        }
      },
      "-pg in llama-bench: a prompt and the text after it in one test, lengths as in 512,128; may "
      "be given several times");
}

void add_test_options(CLI::App& command, BenchOptions& o) {
  add_numbers(command, "-p,--n-prompt", o.n_prompt, "Prompt lengths");
  add_numbers(command, "-n,--n-gen", o.n_gen, "Generation lengths");
  add_prompt_and_text(command, o);
  add_numbers(command, "-d,--n-depth", o.n_depth, "Tokens cached before the test");
  add_numbers(command, "--batch", o.batch, "Sequences decoded together");
  command.add_option("--cache", o.caches, "KV caches, a list; 'latent' is the one of -b")
      ->delimiter(',');
  command.add_option("-b,--basis", o.common.basis, "Latent cache: a .lkb file, or 'auto'");
  command.add_option("--bits", o.bits, "Bits per element of the latent cache, a list")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command
      .add_option("--top-k", o.top_k,
                  "The k best logits of every step, as sampling needs them (run and chat: 40, "
                  "greedy: 1); 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("-r,--repetitions", o.repetitions, "Runs per test")
      ->check(CLI::Range(1, 10000));
  command.add_option("-c,--context", o.common.n_context, "Most tokens a test may take; 0: any")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("-o,--output", o.format, "Format of stdout: md (or text), csv, json, jsonl, sql")
      ->check(CLI::IsMember({"text", "md", "csv", "json", "jsonl", "sql"}))
      ->transform([](const std::string& name) { return name == "text" ? "md" : name; });
  command.add_option("--svg", o.svg, "Folder for plots");
  command.add_option("--memory", o.memory, "Memory that the batch plot shares out, e.g. 4GB");
  command.add_flag("--no-model", o.no_model, "No measurement of the machine, no forecast");
  command.add_flag("--peers", o.peers, "Also run llama.cpp's own benchmarks, interleaved");
  command
      .add_option("--peer-bin", o.peer_bin, "Folder that holds llama-bench and llama-batched-bench")
      ->envname("PEER_BIN");
  command.add_option("--peer-caches", o.peer_caches, "Its KV types, a list")->delimiter(',');
}

void add_predict_options(CLI::App& command, BenchOptions& o) {
  command.add_flag("--predict", o.predict, "Run nothing: say what bytes and products allow");
  command.add_option("--shape", o.shape, "A model by its shape alone, e.g. llama-3-8b");
  command.add_option("--weight-bits", o.weight_bits, "Bits per weight of that shape")
      ->check(CLI::Range(0.5, 32.0));
  command.add_option("--machine", o.machine, "laptop, pi5, graviton4, server or gpu");
  command.add_option("--dram", o.dram, "A machine by numbers: peak bandwidth, e.g. 400GB/s");
  command.add_option("--cores", o.cores, "Its cores")->check(CLI::Range(1, 100000));
  command.add_option("--clock", o.clock_ghz, "Its clock in GHz")->check(CLI::Range(0.1, 10.0));
  command.add_option("--products", o.products, "Its 8-bit products per core and cycle")
      ->check(CLI::Range(1.0, 100000.0));
}

}  // namespace

void add_bench_options(CLI::App& command, BenchOptions& o) {
  add_model_option(command, o.common);
  command.get_option("--model")->required(false);  // a shape does for a forecast
  o.common.screen = true;
  add_engine_options(command, o.common);
  add_exact_options(command, o.common);
  add_test_options(command, o);
  add_predict_options(command, o);
}

}  // namespace lowkey::apps
