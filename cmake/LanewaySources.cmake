# Reads native/sources.txt.
set(LANEWAY_SOURCES_FILE "${CMAKE_SOURCE_DIR}/native/sources.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${LANEWAY_SOURCES_FILE}")
file(STRINGS "${LANEWAY_SOURCES_FILE}" LANEWAY_SOURCES REGEX "^native/.*\\.cc$")

foreach(source ${LANEWAY_SOURCES})
  if(NOT EXISTS "${CMAKE_SOURCE_DIR}/${source}")
    message(WARNING "${LANEWAY_SOURCES_FILE} lists ${source}, which does not exist (yet): left out")
    list(REMOVE_ITEM LANEWAY_SOURCES ${source})
  endif()
endforeach()

# laneway_sources(<out> <folder>): the listed sources under native/<folder>, as absolute paths.
function(laneway_sources out folder)
  set(found ${LANEWAY_SOURCES})
  list(FILTER found INCLUDE REGEX "^native/${folder}/")
  list(TRANSFORM found PREPEND "${CMAKE_SOURCE_DIR}/")
  set(${out} ${found} PARENT_SCOPE)
endfunction()
