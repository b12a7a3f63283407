# What leat is built with. Sets LEAT_CK_INCLUDE_DIR (when atomics are CK's), LEAT_HAVE_MIMALLOC,
# LEAT_MIMALLOC_WHY and the target mimalloc.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)

if(NOT LEAT_ATOMICS MATCHES "^(CK|C11)$")
    message(FATAL_ERROR "LEAT_ATOMICS is '${LEAT_ATOMICS}'; it must be CK or C11.")
endif()
if(LEAT_ATOMICS STREQUAL "CK")
    # Only CK's inline primitives are used, so there is a header to find and nothing to link.
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(LEAT_PC_CK QUIET ck)
    endif()
    find_path(LEAT_CK_INCLUDE_DIR ck_pr.h HINTS ${LEAT_PC_CK_INCLUDE_DIRS} ${LEAT_PC_CK_INCLUDEDIR})
    mark_as_advanced(LEAT_CK_INCLUDE_DIR)
    if(NOT LEAT_CK_INCLUDE_DIR)
        message(FATAL_ERROR
            "Concurrency Kit (ck_pr.h) was not found. Install libck-dev, or configure with "
            "-DLEAT_ATOMICS=C11 to use the compiler's atomics.")
    endif()
endif()

if(NOT LEAT_WITH_MIMALLOC MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "LEAT_WITH_MIMALLOC is '${LEAT_WITH_MIMALLOC}'; it must be AUTO, ON or OFF.")
endif()
set(LEAT_HAVE_MIMALLOC OFF)
if(LEAT_WITH_MIMALLOC STREQUAL "OFF")
    set(LEAT_MIMALLOC_WHY "not wanted")
elseif(LEAT_SANITIZE)
    # A sanitizer must see every allocation.
    if(LEAT_WITH_MIMALLOC STREQUAL "ON")
        message(FATAL_ERROR "LEAT_WITH_MIMALLOC=ON and LEAT_SANITIZE exclude each other.")
    endif()
    set(LEAT_MIMALLOC_WHY "off under a sanitizer")
else()
    find_package(mimalloc CONFIG QUIET)
    if(TARGET mimalloc)
        set(LEAT_HAVE_MIMALLOC ON)
        set(LEAT_MIMALLOC_WHY "${mimalloc_VERSION}")
    elseif(LEAT_WITH_MIMALLOC STREQUAL "ON")
        message(FATAL_ERROR
            "mimalloc was not found. Install libmimalloc-dev, or configure with "
            "-DLEAT_WITH_MIMALLOC=OFF.")
    else()
        set(LEAT_MIMALLOC_WHY "not found")
    endif()
endif()
