# Fails if one of OBJECTS (separated by |) defines a weak symbol: the linker keeps one copy of each
# for the whole program, and a copy compiled for a wide CPU would then run on every CPU. So would a
# set's table, which every CPU looks at.
string(REPLACE "|" ";" objects "${OBJECTS}")
set(found "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object}
    OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} could not read ${object}")
  endif()
  string(REGEX MATCHALL "[^\n]* [WVuw] [^\n]*|[^\n]*::kernel_set\\(\\)" weak "${symbols}")
  foreach(symbol IN LISTS weak)
    if(NOT symbol MATCHES "DW\\.ref\\.__gxx_personality")
      get_filename_component(name ${object} NAME)
      string(APPEND found "  ${name}: ${symbol}\n")
    endif()
  endforeach()
endforeach()
if(found)
  message(FATAL_ERROR "code that other CPUs would run in the objects of a kernel set:\n${found}")
endif()
