# One short door in front of CMake; the builds themselves are described in CMakePresets.json.
MODEL  ?= smollm2-135m
PROMPT ?= What is the capital of France?
JOBS   ?= $(shell nproc)
# Options of `lowkey calibrate` and `lowkey compare`, e.g. CALIBRATE="--text F" COMPARE="-f F".
CALIBRATE ?=
COMPARE   ?=
SOURCES = $(shell git ls-files '*.h' '*.cpp')

.PHONY: run test build bench format fuzz check deps tsan aarch64 clean
.NOTPARALLEL:

run: build        ## a fresh clone calibrates, answers, and compares caches
	@model=$$(build/lowkey models get $(MODEL)) && basis=build/$(notdir $(MODEL)).lkb && \
	  { test -f $$basis || build/lowkey calibrate -m "$$model" $(CALIBRATE) -o $$basis; } && \
	  build/lowkey run -m "$$model" -b $$basis -p "$(PROMPT)" -n 64 --temp 0 && \
	  build/lowkey compare -m "$$model" -b $$basis $(COMPARE)

test: build       ## all tests; ctest's summary line comes last
	@cmake/run_tests.sh release

build: deps       ## the program: build/lowkey
	@test -f build/build.ninja || cmake --preset release
	@cmake --build --preset release -j $(JOBS)

bench: build      ## our numbers, and the other engine's on the same file, interleaved
	@bench/run.sh $(MODEL)

format:
	@cmake/deps.sh check
	@clang-format -i $(SOURCES)

fuzz:             ## every fuzz target for a minute
	@cmake/deps.sh build && cmake/deps.sh check
	@cmake --preset fuzz && cmake --build --preset fuzz -j $(JOBS) && cmake/run_fuzz.sh build-fuzz 60

check:            ## format, lint, tests, and tests again under ASan and UBSan
	@cmake/deps.sh check
	@$(MAKE) --no-print-directory test
	@clang-format --dry-run --Werror $(SOURCES)
	@cmake/tidy.sh build $(JOBS) $(filter-out tests/fuzz/%,$(filter %.cpp,$(SOURCES)))
	@cmake --preset asan-ubsan && cmake --build --preset asan-ubsan -j $(JOBS)
	@cmake/run_tests.sh asan-ubsan

tsan: deps        ## the threads' tests under ThreadSanitizer
	@cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) && cmake/run_tests.sh tsan

aarch64: deps     ## base, simd and their tests, cross-built and run under an emulator
	@cmake/deps.sh aarch64 && cmake/sysroot.sh build-aarch64/sysroot
	@cmake --preset aarch64 && cmake --build --preset aarch64 -j $(JOBS)
	@cmake/run_tests.sh aarch64

deps:
	@cmake/deps.sh build

clean:
	@rm -rf build build-*
