# laneway_core: C++20 and the standard library, nothing else.
laneway_sources(core_sources core)
if(core_sources)
  add_library(laneway_core STATIC ${core_sources})
  target_link_libraries(laneway_core PUBLIC laneway_options)
endif()
