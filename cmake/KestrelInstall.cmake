# cmake --install: headers, the two libraries, a CMake package, a .pc file, programs and configs. Nothing
# in the prefix names the prefix, so it can be moved.
include(CMakePackageConfigHelpers)

install(FILES kestrel.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kestrel)
foreach(layer IN ITEMS kernels tensor autograd layers registry detection data inference engine)
  # kernels/<op>.h and kernels/common are the contract; the other folders below are how it is kept.
  install(DIRECTORY ${layer} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kestrel
    FILES_MATCHING PATTERN "*.h"
    PATTERN "*-inl.h" EXCLUDE
    REGEX "/kernels/(cpu|cuda|sim|stub)$" EXCLUDE)
endforeach()

install(TARGETS kestrel kestrel_train EXPORT kestrelTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/kestrel/configs
  FILES_MATCHING PATTERN "*.yaml")

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kestrel)
install(EXPORT kestrelTargets NAMESPACE kestrel:: DESTINATION ${package_dir})
configure_package_config_file(cmake/kestrelConfig.cmake.in kestrelConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(kestrelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/kestrelConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/kestrelConfigVersion.cmake
  cmake/KestrelDependencies.cmake
  DESTINATION ${package_dir})

file(RELATIVE_PATH pc_prefix
  /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(pc_libs -lkestrel)
if(KESTREL_SANITIZE)
  string(APPEND pc_libs " -fsanitize=${KESTREL_SANITIZE}")
endif()
configure_file(cmake/kestrel.pc.in kestrel.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kestrel.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
