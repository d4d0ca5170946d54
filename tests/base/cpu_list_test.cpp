#include "base/cpu_list.h"

#include <gtest/gtest.h>

#include "base/cpu.h"

namespace lowkey {
namespace {

using Cpus = std::vector<int>;

TEST(CpuList, ReadsMasks) {
  EXPECT_EQ(parse_cpu_mask("0x3").value(), (Cpus{0, 1}));
  EXPECT_EQ(parse_cpu_mask("F0").value(), (Cpus{4, 5, 6, 7}));
  EXPECT_EQ(parse_cpu_mask("80000000000000000001").value(), (Cpus{0, 79})) << "longer than a word";
  for (const char* text : {"", "0x", "0", "000", "0xg", "-1", "1 ", "0x-"}) {
    EXPECT_FALSE(parse_cpu_mask(text).ok()) << text;
  }
}

TEST(CpuList, ReadsListsAndWritesTheShortest) {
  EXPECT_EQ(parse_cpu_list("0-3,8").value(), (Cpus{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5,1-2,2").value(), (Cpus{1, 2, 5})) << "sorted, each once";
  EXPECT_EQ(parse_cpu_list("").value(), Cpus());
  for (const char* text : {",", "1,", "a", "3-1", "1-", "-1", "1--2", "99999999999", "1 2"}) {
    EXPECT_FALSE(parse_cpu_list(text).ok()) << text;
  }
  EXPECT_EQ(cpu_list_text({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(cpu_list_text({}), "");
}

TEST(Cpu, RefusesToKeepToCpusThatAreNotThere) {
  const Status status = keep_to_cpus({60000}, "--cpu-range");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().where, "--cpu-range");
  EXPECT_NE(status.error().what.find("found 60000"), std::string::npos) << status.error().what;
}

}  // namespace
}  // namespace lowkey
