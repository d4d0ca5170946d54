// Each rule finds what it is there to find, and nothing in a sample that is in order.
#include "tests/house/rules.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/house/functions.h"

namespace lowkey::house {
namespace {

Tree make_tree(const std::vector<std::pair<std::string, std::string>>& files) {
  Tree tree;
  for (const auto& [path, text] : files) tree.push_back(make_source(path, text));
  return tree;
}

std::string repeated(const std::string& line, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += line;
  return text;
}

TEST(Rules, IncludesFollowTheChain) {
  const auto include = [](const char* from, const std::string& to) {
    return check_includes(make_tree({{from, "#include \"" + to + "\"\n"}, {to, ""}})).size();
  };
  EXPECT_EQ(include("engine/a.cpp", "simd/b.h"), 0u);
  EXPECT_EQ(include("engine/a.cpp", "engine/b.h"), 0u);
  EXPECT_EQ(include("tests/a.cpp", "apps/b.h"), 0u);
  EXPECT_EQ(include("base/a.cpp", "simd/b.h"), 1u);
  EXPECT_EQ(include("simd/a.cpp", "models/b.h"), 1u);
  EXPECT_EQ(include("models/a.cpp", "simd/b.h"), 1u);
  EXPECT_EQ(include("engine/a.h", "calib/b.h"), 1u);
  EXPECT_EQ(include("bench/a.cpp", "tests/b.h"), 1u);
}

TEST(Rules, IncludesAreWrittenFromTheRootAndExist) {
  EXPECT_EQ(
      check_includes(make_tree({{"base/a.cpp", "#include \"b.h\"\n"}, {"base/b.h", ""}})).size(),
      1u);
  EXPECT_EQ(check_includes(make_tree({{"base/a.cpp", "#include \"base/gone.h\"\n"}})).size(), 1u);
  EXPECT_EQ(check_includes(make_tree({{"base/a.cpp", "#include <simd/b.h>\n"}})).size(), 1u);
}

TEST(Rules, FilesAndHeadersHaveALimit) {
  EXPECT_EQ(check_file_sizes(make_tree({{"base/a.cpp", repeated("\n", 299)}})).size(), 0u);
  EXPECT_EQ(check_file_sizes(make_tree({{"base/a.cpp", repeated("\n", 300)}})).size(), 1u);
  EXPECT_EQ(check_file_sizes(make_tree({{"base/a.h", repeated("\n", 150)}})).size(), 1u);
  EXPECT_EQ(check_file_sizes(make_tree({{"simd/wide/a-inl.h", repeated("\n", 150)}})).size(), 0u);
}

TEST(Rules, LinesHaveALimitInCharacters) {
  EXPECT_EQ(check_line_lengths(make_tree({{"base/a.h", std::string(100, 'x')}})).size(), 0u);
  EXPECT_EQ(check_line_lengths(make_tree({{"base/a.h", repeated("é", 100)}})).size(), 0u);
  EXPECT_EQ(check_line_lengths(make_tree({{"base/a.h", std::string(101, 'x')}})).size(), 1u);
  EXPECT_EQ(check_line_lengths(make_tree({{"docs/a.md", std::string(101, 'x')}})).size(), 0u);
}

TEST(Rules, FunctionsHaveALimitInLinesParametersAndNesting) {
  const auto n = [](const std::string& text) {
    return check_functions(make_tree({{"base/a.cpp", "namespace x {\n" + text + "}\n"}})).size();
  };
  EXPECT_EQ(n("void f() {\n" + repeated("  g();\n", 58) + "}\n"), 0u);
  EXPECT_EQ(n("void f() {\n" + repeated("  g();\n", 59) + "}\n"), 1u);
  EXPECT_EQ(n("int f(int a, int b, int c, int d, int e, int f) { return 0; }\n"), 0u);
  EXPECT_EQ(n("int f(int a, int b, int c, int d, int e, int f, int g) { return 0; }\n"), 1u);
  const std::string three = "if (a) { for (;;) { while (b) { @ } } }";
  EXPECT_EQ(n("void f() { " + three + " }\n"), 0u);
  EXPECT_EQ(
      n("void f() { " + std::string(three).replace(three.find('@'), 1, "if (c) { }") + " }\n"), 1u);
}

TEST(Functions, AreFoundInEveryShapeWeWrite) {
  const SourceFile file = make_source("a.cpp", R"sample(
namespace a {
struct S : Base {
  explicit S(int a, std::map<int, int> b) : a_{a}, b_(std::move(b)) {}
  int operator()(int x) const { return x; }
  bool operator==(const S& o) const { return true; }
  int a_ = 0;
};
template <class T> requires(sizeof(T) > 1)
Result<std::pair<T, int>> f(T a, std::function<void(int, int)> b = {}) {
  const auto lambda = [&](int x, int y, int z) { return x; };
  const char* text = "{ \" ( {"; // } {
  for (int i = 0; i < 3; ++i) { g({1, 2}); }
  return {a, 1};
}
const int kTable[] = {g(1), 2};
enum class E { kA, kB };
TEST(X, Y) { if (a) { b(); } }
struct stat g(int a, int b) { return {}; }
}
)sample");
  std::vector<int> parameters;
  for (const FunctionShape& f : find_functions(file)) parameters.push_back(f.n_parameters);
  EXPECT_EQ(parameters, (std::vector<int>{2, 1, 1, 2, 2, 2}));
  const FunctionShape f = find_functions(file)[3];
  EXPECT_EQ(f.n_lines, 7) << f.head;
  EXPECT_EQ(f.nesting, 1);
}

TEST(Rules, LibrariesHaveOneDoor) {
  const auto n = [](const char* path, const char* target) {
    return check_doors(make_tree({{path, std::string("#include <") + target + ">\n"}})).size();
  };
  EXPECT_EQ(n("base/tasks.cpp", "oneapi/tbb/parallel_for.h"), 0u);
  EXPECT_EQ(n("base/threads.cpp", "tbb/parallel_for.h"), 1u);
  EXPECT_EQ(n("engine/gemm.cpp", "oneapi/dnnl/dnnl.hpp"), 0u);
  EXPECT_EQ(n("engine/engine.cpp", "dnnl.hpp"), 1u);
  EXPECT_EQ(n("engine/engine.cpp", "xsimd/xsimd.hpp"), 1u);
  EXPECT_EQ(n("apps/main.cpp", "zip.h"), 1u);
}

TEST(Rules, LibraryRoomsAreSilent) {
  const auto n = [](const char* path, const char* text) {
    return check_silence(make_tree({{path, text}})).size();
  };
  EXPECT_EQ(n("engine/a.cpp", "void f() { std::cout << 1; }\n"), 1u);
  EXPECT_EQ(n("models/a.cpp", "void f() { std::abort(); }\n"), 1u);
  EXPECT_EQ(n("calib/a.cpp", "void f() { std::fprintf(stderr, 1); }\n"), 1u);
  EXPECT_EQ(n("calib/a.cpp", "// exit(1) in words\nauto t = \"puts(1)\"; snprintf(b, 1);\n"), 0u);
  EXPECT_EQ(n("apps/a.cpp", "void f() { puts(x); }\n"), 0u);
}

TEST(Rules, NothingIsLeftOver) {
  const auto n = [](const char* path, const char* text) {
    return check_leftovers(make_tree({{path, text}})).size();
  };
  EXPECT_EQ(n("base/a.cpp", "int x;  // TODO: later\n"), 1u);
  EXPECT_EQ(n("base/a.cpp", "/* FIXME */\n"), 1u);
  EXPECT_EQ(n("base/a.cpp", "auto x = \"TODO\";\n"), 0u);
  EXPECT_EQ(n("simd/CMakeLists.txt", "add_kernel_set(avx2 -march=native)\n"), 1u);
  EXPECT_EQ(n("simd/CMakeLists.txt", "add_kernel_set(avx2 -mavx2)\n"), 0u);
}

TEST(Rules, EveryOpHasItsOracleAndATest) {
  const std::string table = "struct K { void (*add)(float*); bool (*supported)(int); };\n";
  EXPECT_EQ(check_ops(make_tree({{"simd/kernel_set.h", table}})).size(), 2u);
  EXPECT_EQ(check_ops(make_tree({{"simd/kernel_set.h", table},
                                 {"simd/scalar/add.cpp", ""},
                                 {"tests/simd/add_test.cpp", ""}}))
                .size(),
            0u);
  EXPECT_EQ(check_ops(make_tree({{"simd/kernel_set.h", table},
                                 {"simd/scalar/add.cpp", ""},
                                 {"tests/simd/vector_test.cpp", "set->add(x);"}}))
                .size(),
            0u);
  EXPECT_EQ(check_ops(make_tree({{"simd/kernel_set.h", table},
                                 {"simd/scalar/add.cpp", ""},
                                 {"tests/simd/vector_test.cpp", "// set->add(x);"}}))
                .size(),
            1u);
  EXPECT_EQ(check_ops({}).size(), 1u);
}

TEST(Rules, EveryTestIsBuilt) {
  const std::string test = "TEST(A, B) {}\n";
  EXPECT_EQ(check_tests_are_built(
                make_tree({{"tests/base/CMakeLists.txt", ""}, {"tests/base/a_test.cpp", test}}))
                .size(),
            0u);
  EXPECT_EQ(check_tests_are_built(make_tree({{"tests/new/a_test.cpp", test}})).size(), 1u);
  EXPECT_EQ(check_tests_are_built(
                make_tree({{"tests/base/CMakeLists.txt", ""}, {"tests/base/a.cpp", test}}))
                .size(),
            1u);
  EXPECT_EQ(check_tests_are_built(make_tree({{"base/a_test.cpp", test}})).size(), 1u);
}

TEST(Rules, TheMapNamesEveryFolderAndNoOther) {
  const auto n = [](const char* map) {
    return check_map(make_tree({{"base/sub/a.h", ""}, {"docs/MAP.md", map}})).size();
  };
  EXPECT_EQ(n("`base/` `base/sub/` `docs/`"), 0u);
  EXPECT_EQ(n("`base/` `docs/`"), 1u);
  EXPECT_EQ(n("`base/` `base/sub/` `docs/` `base/gone/`"), 1u);
  EXPECT_EQ(check_map({}).size(), 1u);
}

TEST(SourceFile, SeparatesCodeFromCommentsAndLiterals) {
  const SourceFile file = make_source(
      "a.cpp", "int a = 1'000; // b\n#define X(c) \\\n  d\nchar e = '\"'; f(R\"(g)\");\n");
  EXPECT_NE(file.code.find("int a = 1'000;"), std::string::npos);
  EXPECT_NE(file.comments.find("// b"), std::string::npos);
  for (const char gone : {'b', 'X', 'd', 'g', '"'}) {
    EXPECT_EQ(file.code.find(gone), std::string::npos) << gone;
  }
  EXPECT_NE(file.code.find("f("), std::string::npos);
  EXPECT_EQ(file.lines().size(), 4u);
}

}  // namespace
}  // namespace lowkey::house
