# add_room(NAME [DEPS ...]): one static library per room from every .cpp below its folder.
# add_kernel_set(NAME FLAGS ...): the folder simd/NAME with its own instruction-set flags.
# add_unit_tests(NAME [DEPS ...]): one test program from every *_test.cpp of the current folder.

add_library(lowkey_options INTERFACE)
target_include_directories(lowkey_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(lowkey_options INTERFACE -Wall -Wextra -Wshadow -Wno-psabi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in every `"text" + std::string` (its bug 105651).
  target_compile_options(lowkey_options INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # Induction variables may turn p[i] into "null + i * 4 - rest". Older GCCs take that for access to
  # null, hence its function for one without effects, and drop calls to it (mended: 13dfb01e5c30).
  target_compile_options(lowkey_options INTERFACE -fno-ipa-pure-const -fno-ipa-modref)
endif()
if(LOWKEY_SANITIZE)
  target_compile_options(lowkey_options INTERFACE -fsanitize=${LOWKEY_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lowkey_options INTERFACE -fsanitize=${LOWKEY_SANITIZE})
endif()
# Checks that kernel sets do without: with everything inlined into one function GCC needs a quarter
# of an hour and 4 GB for any of them. What a wild reference does AddressSanitizer still sees.
add_library(lowkey_kernel_checks INTERFACE)
if(LOWKEY_SANITIZE)
  target_compile_options(lowkey_kernel_checks INTERFACE -fno-sanitize=null,alignment,object-size
    -fno-sanitize-address-use-after-scope)
endif()
if(LOWKEY_FUZZ)  # coverage of the rooms guides the fuzz targets
  target_compile_options(lowkey_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(add_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(pattern IN LISTS ROOM_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${pattern})
  endforeach()
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(lowkey_${name} STATIC ${sources})
  target_link_libraries(lowkey_${name} PUBLIC lowkey_options ${ROOM_DEPS})
endfunction()

function(add_kernel_set name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/simd/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  # The table itself is read on every CPU, by whoever looks for a set that the CPU can run.
  list(FILTER sources EXCLUDE REGEX "/set\\.cpp$")
  target_sources(lowkey_simd PRIVATE ${CMAKE_SOURCE_DIR}/simd/${name}/set.cpp)
  add_library(lowkey_simd_${name} OBJECT ${sources})
  # -ffp-contract=off: what a set computes must not depend on the compiler's mood to fuse.
  target_compile_options(lowkey_simd_${name} PRIVATE ${ARGN} -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 warns inside its own headers: "undefined" vectors are written there as __Y = __Y.
    target_compile_options(lowkey_simd_${name} PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
  # In this order: the last one takes back what the first one asks for.
  target_link_libraries(lowkey_simd_${name} PRIVATE lowkey_options xsimd lowkey_kernel_checks)
  target_sources(lowkey_simd PRIVATE $<TARGET_OBJECTS:lowkey_simd_${name}>)
  string(TOUPPER ${name} upper)
  target_compile_definitions(lowkey_simd PRIVATE LOWKEY_HAVE_${upper})
  set_property(GLOBAL APPEND PROPERTY LOWKEY_KERNEL_SETS ${name})
endfunction()

function(add_unit_tests name)
  cmake_parse_arguments(UNIT "" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_tests ${sources})
  target_link_libraries(${name}_tests
    PRIVATE lowkey_test_support ${UNIT_DEPS} GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name}_tests TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES TIMEOUT 600)
endfunction()
