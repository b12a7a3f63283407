# The folders of protocols/, each a library of its own that needs neither leat nor threads.

set(LEAT_PROTOCOLS "")

# leat_protocol(<name> [FOLDER <folder>] HEADERS <public header>...)
#
# protocols/<folder>/*.c, <name> where none is said, becomes libleat-<name>, shared and static:
# leat::<name>, leat::<name>_static. It is compiled against links to the public headers named and to no other, so that including the runtime does
# not compile.
function(leat_protocol name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "HEADERS")
    if(NOT arg_FOLDER)
        set(arg_FOLDER ${name})
    endif()
    set(visible "${PROJECT_BINARY_DIR}/protocols/${name}/include")
    file(REMOVE_RECURSE "${visible}")
    file(MAKE_DIRECTORY "${visible}/leat")
    foreach(header IN LISTS arg_HEADERS ITEMS types.h version.h)
        file(CREATE_LINK "${PROJECT_SOURCE_DIR}/include/leat/${header}" "${visible}/leat/${header}"
            SYMBOLIC COPY_ON_ERROR)
    endforeach()

    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/protocols/${arg_FOLDER}/*.c")
    set(objects leat_protocol_${name})
    add_library(${objects} OBJECT ${sources})
    leat_flags(${objects})
    set_target_properties(${objects} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    target_include_directories(${objects} PRIVATE "${visible}")

    add_library(leat_${name} SHARED $<TARGET_OBJECTS:${objects}>)
    add_library(leat_${name}_static STATIC $<TARGET_OBJECTS:${objects}>)
    set_target_properties(leat_${name} PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_link_options(leat_${name} PRIVATE ${LEAT_INSTRUMENT} -Wl,--as-needed)
    if(NOT LEAT_SANITIZE)
        target_link_options(leat_${name} PRIVATE -Wl,-z,defs)
    endif()
    if(LEAT_INSTRUMENT)
        target_link_options(leat_${name}_static INTERFACE "$<BUILD_INTERFACE:${LEAT_INSTRUMENT}>")
    endif()
    foreach(library IN ITEMS leat_${name} leat_${name}_static)
        set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME leat-${name})
        target_include_directories(${library} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endforeach()
    set_target_properties(leat_${name} PROPERTIES EXPORT_NAME ${name})
    set_target_properties(leat_${name}_static PROPERTIES EXPORT_NAME ${name}_static)

    # In this tree leat::<name> is the static library, as leat::leat is.
    add_library(leat::${name} ALIAS leat_${name}_static)
    add_library(leat::${name}_static ALIAS leat_${name}_static)
    set(LEAT_PROTOCOLS ${LEAT_PROTOCOLS} ${name} PARENT_SCOPE)
endfunction()
