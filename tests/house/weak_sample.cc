// A weak definition, for the check that looks for them.
namespace lowkey::house {
__attribute__((noinline)) inline int weak_function(int x) { return x * x; }
int caller(int x) { return weak_function(x); }
}  // namespace lowkey::house
