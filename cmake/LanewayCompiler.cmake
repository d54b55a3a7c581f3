# The language, optimisation, warnings and sanitizers that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Assertions stay in debug and sanitizer builds only. Frame pointers cost nothing that was measurable and make profiles
# readable; -g1 keeps stacks of crashes readable (the packed addon is stripped).
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG -fno-omit-frame-pointer")

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(laneway_options INTERFACE)
target_include_directories(laneway_options INTERFACE "${CMAKE_SOURCE_DIR}/native")
target_link_libraries(laneway_options INTERFACE Threads::Threads)
target_compile_options(laneway_options INTERFACE -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wundef
  # An initializer that names its fields leaves the others at their defaults, on purpose.
  -Wno-missing-field-initializers
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Wextra-semi>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees these in the inlined insides of std::vector and std::string, wrongly; ASAN looks for the real ones.
  target_compile_options(laneway_options INTERFACE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-restrict)
endif()
if(LANEWAY_WERROR)
  target_compile_options(laneway_options INTERFACE -Werror)
endif()

if(LANEWAY_SANITIZE)
  add_compile_options(-fsanitize=${LANEWAY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -UNDEBUG)
  add_link_options(-fsanitize=${LANEWAY_SANITIZE})
  if(LANEWAY_SANITIZE MATCHES "thread")
    # TSAN cannot see fences, and GCC says so at each one in the standard library.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
