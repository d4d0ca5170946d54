#include "models/chat/parser.h"

#include <algorithm>

#include "models/chat/expression_parser.h"

namespace lowkey::models::jinja {
namespace {

constexpr size_t kMaxTemplate = 1 << 20;  // bytes
constexpr int kMaxBlocks = 64;

class Parser {
 public:
  explicit Parser(std::vector<LexToken> tokens) : in_(std::move(tokens)), expressions_(in_) {}

  Result<Block> run() {
    LK_ASSIGN(Block block, parse_block({}));
    if (in_.peek().type != TokenType::kEnd) return in_.unexpected("the end");
    return block;
  }

 private:
  using Names = std::vector<std::string_view>;

  /// Statements up to a tag among `ends`, whose name is left as the next token.
  Result<Block> parse_block(const Names& ends) {
    if (++depth_ > kMaxBlocks) return template_error(in_.line(), "blocks are nested too deep");
    Block block;
    for (;;) {
      const LexToken token = in_.take();
      if (token.type == TokenType::kText) {
        Statement text;
        text.text = token.text;
        block.push_back(std::move(text));
      } else if (token.type == TokenType::kOutputBegin) {
        LK_ASSIGN(Statement output, parse_output());
        block.push_back(std::move(output));
      } else if (token.type == TokenType::kBlockBegin) {
        if (at_any(ends)) break;
        LK_ASSIGN(Statement statement, parse_statement());
        block.push_back(std::move(statement));
      } else if (ends.empty()) {
        break;
      } else {
        return in_.unexpected("{% " + std::string(ends.back()) + " %}");
      }
    }
    --depth_;
    return block;
  }

  bool at_any(const Names& names) const {
    return std::any_of(names.begin(), names.end(),
                       [this](std::string_view name) { return in_.at_name(name); });
  }

  Status close_tag() { return in_.expect(TokenType::kBlockEnd, "'%}'"); }

  Status parse_end(std::string_view name) {
    if (!in_.skip_name(name)) return in_.unexpected("'" + std::string(name) + "'");
    if (in_.peek().type == TokenType::kName) in_.take();  // endmacro may repeat the name
    return close_tag();
  }

  Result<Statement> parse_output() {
    Statement output;
    output.kind = StatementKind::kOutput;
    output.line = in_.line();
    LK_ASSIGN(output.expression, expressions_.parse_tuple());
    LK_RETURN_IF_ERROR(in_.expect(TokenType::kOutputEnd, "'}}'"));
    return output;
  }

  Result<Statement> parse_statement() {
    const int line = in_.line();
    LK_ASSIGN(const std::string name, in_.expect_name());
    Statement statement;
    statement.line = line;
    Status status;
    if (name == "if") {
      status = parse_if(statement);
    } else if (name == "for") {
      status = parse_for(statement);
    } else if (name == "set") {
      status = parse_set(statement);
    } else if (name == "macro") {
      status = parse_macro(statement);
    } else if (name == "generation") {
      status = parse_generation(statement);
    } else if (name == "break" || name == "continue") {
      status = parse_jump(statement, name == "break");
    } else {
      return make_error(
          ErrorCode::kUnsupported, "chat template line " + std::to_string(line),
          "expected if, for, set, macro, break, continue or generation, found '" + name + "'");
    }
    if (!status.ok()) return status.error();
    return statement;
  }

  Status parse_if(Statement& statement) {
    statement.kind = StatementKind::kIf;
    bool is_last = false;
    while (!is_last) {
      Branch branch;
      LK_ASSIGN(branch.condition, expressions_.parse_tuple());
      LK_RETURN_IF_ERROR(close_tag());
      LK_ASSIGN(branch.body, parse_block({"elif", "else", "endif"}));
      statement.branches.push_back(std::move(branch));
      is_last = !in_.skip_name("elif");
    }
    return parse_else(statement, "endif");
  }

  /// [{% else %} block] {% end %}
  Status parse_else(Statement& statement, std::string_view end) {
    if (in_.skip_name("else")) {
      LK_RETURN_IF_ERROR(close_tag());
      Branch branch;
      LK_ASSIGN(branch.body, parse_block({end}));
      statement.branches.push_back(std::move(branch));
    }
    return parse_end(end);
  }

  Status parse_names(std::vector<std::string>& names) {
    const bool in_brackets = in_.skip_operator("(");
    do {
      LK_ASSIGN(std::string name, in_.expect_name());
      names.push_back(std::move(name));
    } while (in_.skip_operator(","));
    return in_brackets ? in_.expect_operator(")") : Status();
  }

  Status parse_for(Statement& statement) {
    statement.kind = StatementKind::kFor;
    LK_RETURN_IF_ERROR(parse_names(statement.names));
    if (!in_.skip_name("in")) return in_.unexpected("'in'");
    LK_ASSIGN(statement.expression, expressions_.parse_no_condition());
    if (in_.skip_name("if")) {
      LK_ASSIGN(statement.condition, expressions_.parse());
    }
    LK_RETURN_IF_ERROR(close_tag());
    ++n_loops_;
    LK_ASSIGN(statement.body, parse_block({"else", "endfor"}));
    --n_loops_;
    return parse_else(statement, "endfor");
  }

  Status parse_set(Statement& statement) {
    LK_RETURN_IF_ERROR(parse_names(statement.names));
    statement.kind = StatementKind::kSet;
    if (in_.skip_operator(".")) {
      LK_ASSIGN(statement.text, in_.expect_name());
    }
    if (in_.skip_operator("=")) {
      LK_ASSIGN(statement.expression, expressions_.parse_tuple());
      return close_tag();
    }
    statement.kind = StatementKind::kSetBlock;
    LK_RETURN_IF_ERROR(close_tag());
    LK_ASSIGN(statement.body, parse_block({"endset"}));
    return parse_end("endset");
  }

  Status parse_macro(Statement& statement) {
    statement.kind = StatementKind::kMacro;
    auto macro = std::make_shared<MacroDefinition>();
    LK_ASSIGN(macro->name, in_.expect_name());
    LK_RETURN_IF_ERROR(in_.expect_operator("("));
    while (!in_.at_operator(")")) {
      LK_ASSIGN(std::string name, in_.expect_name());
      ExpressionPtr fallback;
      if (in_.skip_operator("=")) {
        LK_ASSIGN(fallback, expressions_.parse());
      }
      macro->parameters.emplace_back(std::move(name), std::move(fallback));
      if (!in_.skip_operator(",")) break;
    }
    LK_RETURN_IF_ERROR(in_.expect_operator(")"));
    LK_RETURN_IF_ERROR(close_tag());
    const int n_outer_loops = std::exchange(n_loops_, 0);
    LK_ASSIGN(macro->body, parse_block({"endmacro"}));
    n_loops_ = n_outer_loops;
    statement.macro = std::move(macro);
    return parse_end("endmacro");
  }

  Status parse_generation(Statement& statement) {
    statement.kind = StatementKind::kScope;
    LK_RETURN_IF_ERROR(close_tag());
    LK_ASSIGN(statement.body, parse_block({"endgeneration"}));
    return parse_end("endgeneration");
  }

  Status parse_jump(Statement& statement, bool is_break) {
    statement.kind = is_break ? StatementKind::kBreak : StatementKind::kContinue;
    if (n_loops_ == 0) return template_error(statement.line, "break or continue outside a loop");
    return close_tag();
  }

  TokenStream in_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int n_loops_ = 0;
};

}  // namespace

Result<Block> parse(std::string_view source) {
  if (source.size() > kMaxTemplate) {
    return template_error(1, "expected at most " + std::to_string(kMaxTemplate) + " bytes, found " +
                                 std::to_string(source.size()));
  }
  LK_ASSIGN(auto tokens, lex(source));
  return Parser(std::move(tokens)).run();
}

}  // namespace lowkey::models::jinja
