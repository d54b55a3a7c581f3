# laneway_core_tests (native/test/*_test.cc), laneway_kafka_tests (native/test/kafka/*_test.cc), laneway_simulate
# (native/test/simulation/*.cc) and the C programs of the benchmark.
find_package(GTest REQUIRED)
find_package(ZLIB REQUIRED)

function(laneway_test name pattern)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${pattern}")
  if(LANEWAY_CORE_ONLY)
    # The Confluent format is tested with the real zstd, which core knows as an interface only.
    list(FILTER sources EXCLUDE REGEX "confluent_codec_test")
  endif()
  if(NOT sources OR NOT TARGET laneway_core)
    return()
  endif()
  add_executable(${name} ${sources})
  target_compile_definitions(${name} PRIVATE LANEWAY_VECTORS_DIR="${CMAKE_SOURCE_DIR}/test/vectors")
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/native/test")
  target_link_libraries(${name} PRIVATE laneway_core $<TARGET_NAME_IF_EXISTS:laneway_zstd> ${ARGN})
endfunction()

laneway_test(laneway_core_tests "native/test/*_test.cc" GTest::gtest_main ZLIB::ZLIB
  $<TARGET_NAME_IF_EXISTS:laneway_zstd>)
laneway_test(laneway_simulate "native/test/simulation/*.cc")

if(NOT LANEWAY_CORE_ONLY)
  if(TARGET laneway_kafka)
    laneway_test(laneway_kafka_tests "native/test/kafka/*_test.cc" GTest::gtest_main laneway_kafka)
  endif()
  file(GLOB programs CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bench/c-loop/c_*.c")
  foreach(program ${programs})
    get_filename_component(name ${program} NAME_WE)
    add_executable(laneway_${name} ${program})
    target_include_directories(laneway_${name} SYSTEM PRIVATE ${LANEWAY_DEPENDENCY_INCLUDES}/librdkafka)
    target_link_libraries(laneway_${name} PRIVATE laneway_options laneway_librdkafka)
    set_target_properties(laneway_${name} PROPERTIES C_STANDARD 11 C_EXTENSIONS ON)
  endforeach()
endif()
