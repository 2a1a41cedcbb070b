# Run at every build, by the target build_info: writes OUTPUT from build_info.h.in where something changed.
execute_process(COMMAND git describe --always --dirty --abbrev=10 --exclude=*
  WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(REVISION "unknown")
endif()
configure_file(${SOURCE}/cmake/build_info.h.in ${OUTPUT} @ONLY)
