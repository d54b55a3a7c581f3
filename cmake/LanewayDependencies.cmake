# What needs librdkafka: laneway_zstd, laneway_kafka and, under cmake-js or on demand, the addon. Where the libraries
# are is scripts/native-dependencies.mjs's to say.
find_program(LANEWAY_NODE node REQUIRED)
execute_process(
  COMMAND "${LANEWAY_NODE}" "${CMAKE_SOURCE_DIR}/scripts/native-dependencies.mjs" cmake ${LANEWAY_DEPENDENCY_VARIANT}
  OUTPUT_VARIABLE dependencies
  COMMAND_ERROR_IS_FATAL ANY)
cmake_language(EVAL CODE "${dependencies}")

add_library(laneway_librdkafka INTERFACE)
# As system headers: their warnings are not ours.
target_include_directories(laneway_librdkafka SYSTEM INTERFACE ${LANEWAY_DEPENDENCY_INCLUDES})
target_link_libraries(laneway_librdkafka INTERFACE
  ${LANEWAY_LIBRDKAFKA} ${LANEWAY_ZSTD} ${LANEWAY_TLS} ${LANEWAY_SYSTEM_LIBRARIES})

laneway_sources(zstd_sources zstd)
if(zstd_sources)
  add_library(laneway_zstd STATIC ${zstd_sources})
  target_include_directories(laneway_zstd SYSTEM PRIVATE ${LANEWAY_DEPENDENCY_INCLUDES})
  target_link_libraries(laneway_zstd PUBLIC laneway_core PRIVATE ${LANEWAY_ZSTD})
endif()

laneway_sources(kafka_sources kafka)
if(kafka_sources)
  add_library(laneway_kafka STATIC ${kafka_sources})
  target_link_libraries(laneway_kafka PUBLIC laneway_core $<TARGET_NAME_IF_EXISTS:laneway_zstd> laneway_librdkafka)
endif()

laneway_sources(addon_sources addon)
if(addon_sources AND (CMAKE_JS_VERSION OR LANEWAY_ADDON))
  add_library(laneway MODULE ${addon_sources} ${CMAKE_JS_SRC})
  set_target_properties(laneway PROPERTIES PREFIX "" SUFFIX ".node")
  # SWALLOW...: an error that a worker thread can no longer take, because it is being terminated, ends nothing else.
  target_compile_definitions(laneway PRIVATE NAPI_VERSION=9 NAPI_CPP_EXCEPTIONS NODE_ADDON_API_DISABLE_DEPRECATED
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
  target_include_directories(laneway SYSTEM PRIVATE ${LANEWAY_NODE_INCLUDES})
  target_link_libraries(laneway PRIVATE laneway_core laneway_kafka ${CMAKE_JS_LIB})
  if(NOT APPLE)
    # Only the entry points that Node looks up are visible, and OpenSSL's calls bind to the copy linked in here, never
    # to those that the node binary exports. The C++ library is linked in so that a prebuilt addon asks for none.
    # nodelete: OpenSSL's exit handlers must outlive a worker thread that unloads the addon. now: a symbol that nothing
    # defines (Node's are only there at load, so that the linker cannot tell) fails the load, not a call much later.
    target_link_options(laneway PRIVATE
      -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,nodelete -Wl,-z,now -Wl,--gc-sections)
    if(NOT LANEWAY_SANITIZE)
      target_link_options(laneway PRIVATE -static-libstdc++ -static-libgcc)
    endif()
  endif()
endif()
