# Reads native/sources.txt.
set(LANEWAY_SOURCES_FILE "${CMAKE_SOURCE_DIR}/native/sources.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${LANEWAY_SOURCES_FILE}")
file(STRINGS "${LANEWAY_SOURCES_FILE}" LANEWAY_SOURCES REGEX "^native/.*\\.cc$")

# laneway_sources(<out> <folder>): the listed sources under native/<folder>, as absolute paths.
function(laneway_sources out folder)
  set(found ${LANEWAY_SOURCES})
  list(FILTER found INCLUDE REGEX "^native/${folder}/")
  list(TRANSFORM found PREPEND "${CMAKE_SOURCE_DIR}/")
  set(${out} ${found} PARENT_SCOPE)
endfunction()
