# Compiler settings that every target of Kestrel shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
include(GNUInstallDirs)
# Found beside the binaries wherever the prefix is moved to.
set(CMAKE_INSTALL_RPATH "$ORIGIN:$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")

# ccache is told that precompiled headers may be compared by content.
find_program(KESTREL_CCACHE ccache)
if(KESTREL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${KESTREL_CCACHE})
endif()
# Loops that want more than -O2 are in kernels/, which asks for it.
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")

# Sources include <kestrel/tensor/tensor.h> in-tree as well as installed.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
file(CREATE_LINK ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/include/kestrel SYMBOLIC)

add_library(kestrel_settings INTERFACE)
target_include_directories(kestrel_settings INTERFACE ${CMAKE_BINARY_DIR}/include)
set(cxx_options -Wall -Wextra -Wconversion -Wshadow -Wno-sign-conversion
  -Wno-missing-field-initializers
  # False warnings of g++ 12: members of an empty std::optional, and joined strings.
  -Wno-maybe-uninitialized -Wno-restrict)
if(KESTREL_WERROR)
  list(APPEND cxx_options -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND cxx_options -fpch-preprocess)  # for ccache
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # AVX2 and FMA are the floor; AVX-512 is chosen at run time. Every such processor has AES and PCLMUL
  # too, without which Highway would also compile each kernel for SSE4 and for no vectors at all.
  list(APPEND cxx_options -march=x86-64-v3 -maes -mpclmul)
endif()
if(KESTREL_SANITIZE)
  list(APPEND cxx_options -fsanitize=${KESTREL_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(kestrel_settings INTERFACE -fsanitize=${KESTREL_SANITIZE})
endif()
target_compile_options(kestrel_settings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${cxx_options}>")
