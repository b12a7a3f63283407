# The folders of services/, each a library of installed actors over leat and, where it says so, over
# protocols, services defined before it, and libraries of the system.

set(LEAT_SERVICES "")

# leat_service(<name> [PROTOCOLS <protocol>...] [SERVICES <service>...] [LIBRARIES <library>...]
#              [WITHOUT <source>...])
#
# services/<name>/*.c becomes libleat-<name>, shared and static: leat::<name>, leat::<name>_static. It sees
# the public headers of leat and its own folder: what it does, anybody's actors could. Its users link leat,
# the protocols and the services with it; LIBRARIES are the linker's names of what it needs from the system, as in -l<library>. WITHOUT
# are files for another choice of options.
function(leat_service name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROTOCOLS;SERVICES;LIBRARIES;WITHOUT")
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/services/${name}/*.c")
    foreach(source IN LISTS arg_WITHOUT)
        list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/services/${name}/${source}")
    endforeach()
    set(objects leat_service_${name})
    add_library(${objects} OBJECT ${sources})
    leat_flags(${objects})
    set_target_properties(${objects} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    target_compile_definitions(${objects} PRIVATE _GNU_SOURCE=)
    target_include_directories(${objects} PRIVATE "${PROJECT_SOURCE_DIR}/include")
    leat_private_headers(${objects} "${PROJECT_SOURCE_DIR}/services/${name}")
    target_link_libraries(${objects} PRIVATE Threads::Threads)

    add_library(leat_${name} SHARED $<TARGET_OBJECTS:${objects}>)
    add_library(leat_${name}_static STATIC $<TARGET_OBJECTS:${objects}>)
    set_target_properties(leat_${name} PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME ${name}
        INSTALL_RPATH "\$ORIGIN") # the libraries it needs of leat lie beside it, wherever that is
    set_target_properties(leat_${name}_static PROPERTIES EXPORT_NAME ${name}_static)
    target_link_options(leat_${name} PRIVATE ${LEAT_INSTRUMENT} -Wl,--as-needed)
    if(NOT LEAT_SANITIZE)
        target_link_options(leat_${name} PRIVATE -Wl,-z,defs)
    endif()
    foreach(library IN ITEMS leat_${name} leat_${name}_static)
        set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME leat-${name})
        target_link_libraries(${library} PRIVATE ${arg_LIBRARIES})
    endforeach()
    target_link_libraries(leat_${name} PRIVATE $<BUILD_INTERFACE:Threads::Threads>)
    target_link_libraries(leat_${name} PUBLIC leat)
    target_link_libraries(leat_${name}_static PUBLIC leat_static)
    set(requires leat)
    foreach(protocol IN LISTS arg_PROTOCOLS arg_SERVICES)
        target_link_libraries(leat_${name} PUBLIC leat_${protocol})
        target_link_libraries(leat_${name}_static PUBLIC leat_${protocol}_static)
        list(APPEND requires leat-${protocol})
    endforeach()

    # In this tree leat::<name> is the static library, as leat::leat is.
    add_library(leat::${name} ALIAS leat_${name}_static)
    add_library(leat::${name}_static ALIAS leat_${name}_static)
    list(JOIN requires ", " requires)
    list(TRANSFORM arg_LIBRARIES PREPEND "-l")
    list(JOIN arg_LIBRARIES " " libraries)
    set(LEAT_SERVICES ${LEAT_SERVICES} ${name} PARENT_SCOPE)
    set(LEAT_SERVICE_${name}_REQUIRES "${requires}" PARENT_SCOPE)
    set(LEAT_SERVICE_${name}_LIBRARIES "${libraries}" PARENT_SCOPE)
endfunction()
