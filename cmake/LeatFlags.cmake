# Flags go on targets through leat_flags(); CMAKE_C_FLAGS stays the user's.

set(LEAT_WARNINGS
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wvla)
if(LEAT_WERROR)
    list(APPEND LEAT_WARNINGS -Werror)
endif()

# Whoever links an instrumented libleat.a must be linked with the same runtime.
set(LEAT_INSTRUMENT "")
if(LEAT_SANITIZE)
    list(APPEND LEAT_INSTRUMENT
        -fsanitize=${LEAT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
if(LEAT_COVERAGE)
    list(APPEND LEAT_INSTRUMENT --coverage)
endif()

set(LEAT_TSAN OFF)
if(LEAT_SANITIZE MATCHES "thread")
    set(LEAT_TSAN ON)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND LEAT_WERROR)
        # gcc says that it cannot instrument fences; the code knows and announces its pairs.
        list(APPEND LEAT_WARNINGS -Wno-error=tsan)
    endif()
endif()

# Warnings, language and instrumentation of a target of this tree.
function(leat_flags target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON)
    target_compile_options(${target} PRIVATE
        ${LEAT_WARNINGS} ${LEAT_INSTRUMENT}
        # Asserts stay on in every build. Debug is what the test lanes run: quick enough, still readable.
        -UNDEBUG
        # They name files as the tree does, not where it was built.
        -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=
        $<$<CONFIG:Debug>:-O1 -g>
        $<$<CONFIG:Release>:-O2 -g>)
    target_link_options(${target} PRIVATE ${LEAT_INSTRUMENT})
endfunction()

# The same for code that sees private headers. Empty, so that a file that says
# "#define _GNU_SOURCE" itself does not redefine it.
function(leat_private_flags target)
    leat_flags(${target})
    target_compile_definitions(${target} PRIVATE
        _GNU_SOURCE=
        $<$<CONFIG:Debug>:LEAT_DEBUG=1>
        $<$<BOOL:${LEAT_HAVE_MIMALLOC}>:LEAT_WITH_MIMALLOC=1>
        $<$<STREQUAL:${LEAT_ATOMICS},C11>:LEAT_ATOMICS_C11=1>)
    if(LEAT_ATOMICS STREQUAL "CK")
        target_include_directories(${target} SYSTEM PRIVATE "${LEAT_CK_INCLUDE_DIR}")
    endif()
    if(LEAT_HAVE_MIMALLOC)
        target_include_directories(${target} SYSTEM PRIVATE
            $<TARGET_PROPERTY:mimalloc,INTERFACE_INCLUDE_DIRECTORIES>)
    endif()
endfunction()
