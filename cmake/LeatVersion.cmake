# The header and the project must name the same version.

set(leat_version_header "${PROJECT_SOURCE_DIR}/include/leat/version.h")
if(EXISTS "${leat_version_header}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${leat_version_header}")
    file(READ "${leat_version_header}" leat_version_text)
    set(leat_version_numbers "")
    foreach(leat_part IN ITEMS MAJOR MINOR PATCH)
        string(REGEX MATCH "LEAT_VERSION_${leat_part} +([0-9]+)" leat_match "${leat_version_text}")
        list(APPEND leat_version_numbers "${CMAKE_MATCH_1}")
    endforeach()
    list(JOIN leat_version_numbers "." leat_version)
    if(NOT leat_version STREQUAL PROJECT_VERSION)
        message(FATAL_ERROR
            "include/leat/version.h says ${leat_version}, CMakeLists.txt says ${PROJECT_VERSION}.")
    endif()
endif()
