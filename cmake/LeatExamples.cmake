# Every examples/<name>/ that has a CMakeLists.txt. Each builds against an installed leat too, so it
# sets no flags of this tree; they are put on its targets here. examples/common goes first.
# Target leat-examples is all of them.

set(LEAT_EXAMPLES "")
add_custom_target(leat-examples)
file(GLOB leat_example_lists CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*/CMakeLists.txt")
set(leat_example_common "${PROJECT_SOURCE_DIR}/examples/common/CMakeLists.txt")
if(leat_example_common IN_LIST leat_example_lists)
    list(REMOVE_ITEM leat_example_lists "${leat_example_common}")
    list(PREPEND leat_example_lists "${leat_example_common}")
endif()

foreach(leat_example_list IN LISTS leat_example_lists)
    cmake_path(GET leat_example_list PARENT_PATH leat_example_dir)
    cmake_path(GET leat_example_dir FILENAME leat_example)
    # An example may have added the common folder itself, and only once is allowed.
    get_property(leat_added DIRECTORY "${PROJECT_SOURCE_DIR}" PROPERTY SUBDIRECTORIES)
    if(NOT leat_example_dir IN_LIST leat_added)
        add_subdirectory("${leat_example_dir}" "${PROJECT_BINARY_DIR}/examples/${leat_example}")
    endif()
    get_property(leat_targets DIRECTORY "${leat_example_dir}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(leat_target IN LISTS leat_targets)
        get_target_property(leat_type ${leat_target} TYPE)
        if(leat_type MATCHES "^(EXECUTABLE|STATIC_LIBRARY|OBJECT_LIBRARY)$")
            leat_flags(${leat_target})
            add_dependencies(leat-examples ${leat_target})
        endif()
    endforeach()
    if(NOT leat_example STREQUAL "common")
        list(APPEND LEAT_EXAMPLES ${leat_example})
    endif()
endforeach()
