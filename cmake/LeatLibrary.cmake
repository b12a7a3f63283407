# The folders as object libraries, and the two libraries made from them.

set(LEAT_FOLDERS "")       # folders that have sources
set(LEAT_PRIVATE_DIRS "")  # where private headers are, for the tests

# leat_folder(<folder> [SEES <folder>...])
#
# Compiles <folder>/*.c once, position-independent. Sources are globbed so that a module is added by
# adding its file; CONFIGURE_DEPENDS makes the build look again each time, so neither a new nor a
# removed file is missed. A folder without sources is left out.
function(leat_folder folder)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SEES")
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.c")
    set(LEAT_PRIVATE_DIRS ${LEAT_PRIVATE_DIRS} "${PROJECT_SOURCE_DIR}/${folder}" PARENT_SCOPE)
    if(NOT sources)
        return()
    endif()

    add_library(leat_${folder} OBJECT ${sources})
    leat_private_flags(leat_${folder})
    set_target_properties(leat_${folder} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    # Thread-locals are on the message path: no __tls_get_addr, in the shared library either.
    target_compile_options(leat_${folder} PRIVATE -ftls-model=initial-exec)
    target_include_directories(leat_${folder} PRIVATE "${PROJECT_SOURCE_DIR}/include")
    list(TRANSFORM arg_SEES PREPEND "${PROJECT_SOURCE_DIR}/")
    leat_private_headers(leat_${folder} "${PROJECT_SOURCE_DIR}/${folder}" ${arg_SEES})
    target_link_libraries(leat_${folder} PRIVATE Threads::Threads)
    set(LEAT_FOLDERS ${LEAT_FOLDERS} ${folder} PARENT_SCOPE)
endfunction()

# The backend of folder io that needs a library: its files are uring*.c.
function(leat_io_uring)
    if(NOT LEAT_HAVE_URING)
        get_target_property(sources leat_io SOURCES)
        list(FILTER sources EXCLUDE REGEX "/uring[^/]*[.]c$")
        set_target_properties(leat_io PROPERTIES SOURCES "${sources}")
        return()
    endif()
    target_include_directories(leat_io SYSTEM PRIVATE "${LEAT_URING_INCLUDE_DIR}")
    target_compile_definitions(leat_io PRIVATE LEAT_HAVE_URING)
endfunction()

# Private headers are found by #include "name.h" only: an assert.h or sched.h of ours must never be
# what a system header gets.
function(leat_private_headers target)
    foreach(directory IN LISTS ARGN)
        target_compile_options(${target} PRIVATE "SHELL:-iquote \"${directory}\"")
    endforeach()
endfunction()

function(leat_libraries)
    set(objects "")
    foreach(folder IN LISTS LEAT_FOLDERS)
        list(APPEND objects $<TARGET_OBJECTS:leat_${folder}>)
    endforeach()
    if(NOT objects)
        file(CONFIGURE OUTPUT empty.c CONTENT "typedef int leat_has_no_sources_yet;\n" @ONLY)
        set(objects "${CMAKE_CURRENT_BINARY_DIR}/empty.c")
    endif()

    add_library(leat SHARED ${objects})
    add_library(leat_static STATIC ${objects})
    set_target_properties(leat PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    set_target_properties(leat_static PROPERTIES OUTPUT_NAME leat)
    target_link_options(leat PRIVATE ${LEAT_INSTRUMENT} -Wl,--as-needed)
    if(NOT LEAT_SANITIZE)
        # A sanitizer's runtime is linked into the program only.
        target_link_options(leat PRIVATE -Wl,-z,defs)
    endif()

    foreach(library IN ITEMS leat leat_static)
        set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
        target_include_directories(${library} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endforeach()

    # The shared library keeps its dependencies to itself; the static one hands them to its user.
    target_link_libraries(leat PRIVATE $<BUILD_INTERFACE:Threads::Threads>)
    target_link_libraries(leat_static PRIVATE Threads::Threads)
    if(LEAT_HAVE_MIMALLOC)
        target_link_libraries(leat PRIVATE $<BUILD_INTERFACE:mimalloc>)
        target_link_libraries(leat_static PRIVATE mimalloc)
    endif()
    if(LEAT_HAVE_URING)
        # The installed static library names it as the linker does, so that no place is in the package.
        target_link_libraries(leat PRIVATE $<BUILD_INTERFACE:${LEAT_URING_LIBRARY}>)
        target_link_libraries(leat_static PRIVATE
            $<BUILD_INTERFACE:${LEAT_URING_LIBRARY}> $<INSTALL_INTERFACE:uring>)
    endif()
    if(LEAT_INSTRUMENT)
        target_link_options(leat_static INTERFACE "$<BUILD_INTERFACE:${LEAT_INSTRUMENT}>")
    endif()

    # In this tree leat::leat is the static library, so that programs run where they are built.
    add_library(leat::leat ALIAS leat_static)
    add_library(leat::leat_static ALIAS leat_static)
endfunction()
