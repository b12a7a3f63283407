# What leat is built with. Sets LEAT_CK_INCLUDE_DIR (when atomics are CK's), LEAT_HAVE_MIMALLOC,
# LEAT_MIMALLOC_WHY and the target mimalloc; LEAT_HAVE_URING, LEAT_URING_WHY, LEAT_URING_INCLUDE_DIR and
# LEAT_URING_LIBRARY; LEAT_HAVE_TLS, LEAT_TLS_WHY and the target OpenSSL::SSL; LEAT_HAVE_CARES and
# LEAT_CARES_WHY.

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

# By what it has, not by its version: all of it is in liburing 2.3.
if(NOT LEAT_WITH_URING MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "LEAT_WITH_URING is '${LEAT_WITH_URING}'; it must be AUTO, ON or OFF.")
endif()
set(LEAT_HAVE_URING OFF)
if(LEAT_WITH_URING STREQUAL "OFF")
    set(LEAT_URING_WHY "not wanted")
else()
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(LEAT_PC_URING QUIET liburing)
    endif()
    find_path(LEAT_URING_INCLUDE_DIR liburing.h
        HINTS ${LEAT_PC_URING_INCLUDE_DIRS} ${LEAT_PC_URING_INCLUDEDIR})
    find_library(LEAT_URING_LIBRARY uring
        HINTS ${LEAT_PC_URING_LIBRARY_DIRS} ${LEAT_PC_URING_LIBDIR})
    mark_as_advanced(LEAT_URING_INCLUDE_DIR LEAT_URING_LIBRARY)
    set(LEAT_URING_WHY "not found")
    if(LEAT_URING_INCLUDE_DIR AND LEAT_URING_LIBRARY)
        include(CheckCSourceCompiles)
        set(CMAKE_REQUIRED_INCLUDES "${LEAT_URING_INCLUDE_DIR}")
        set(CMAKE_REQUIRED_LIBRARIES "${LEAT_URING_LIBRARY}")
        check_c_source_compiles("
            #define _GNU_SOURCE
            #include <liburing.h>
            int main(void)
            {
                struct io_uring ring;
                struct io_uring_buf_reg reg = {.bgid = IORING_SETUP_DEFER_TASKRUN != 0};
                io_uring_prep_recvmsg_multishot(0, 0, 0, 0);
                io_uring_prep_cancel64(0, 0, IORING_ASYNC_CANCEL_ANY);
                return io_uring_register(0, 0, 0, 0) + io_uring_register_buf_ring(&ring, &reg, 0) +
                    io_uring_register_ring_fd(&ring) + io_uring_submit_and_get_events(&ring) +
                    io_uring_submit_and_wait_timeout(&ring, 0, 1, 0, 0);
            }" LEAT_URING_COMPILES)
        unset(CMAKE_REQUIRED_INCLUDES)
        unset(CMAKE_REQUIRED_LIBRARIES)
        set(LEAT_URING_WHY "too old: 2.3 is needed")
        if(LEAT_URING_COMPILES)
            set(LEAT_HAVE_URING ON)
            set(LEAT_URING_WHY "liburing ${LEAT_PC_URING_VERSION}")
        endif()
    endif()
    if(LEAT_WITH_URING STREQUAL "ON" AND NOT LEAT_HAVE_URING)
        message(FATAL_ERROR
            "liburing: ${LEAT_URING_WHY}. Install liburing-dev, or configure with "
            "-DLEAT_WITH_URING=OFF.")
    endif()
endif()

if(NOT LEAT_WITH_TLS MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "LEAT_WITH_TLS is '${LEAT_WITH_TLS}'; it must be AUTO, ON or OFF.")
endif()
set(LEAT_HAVE_TLS OFF)
if(LEAT_WITH_TLS STREQUAL "OFF")
    set(LEAT_TLS_WHY "not wanted")
else()
    find_package(OpenSSL 3.0 QUIET)
    set(LEAT_TLS_WHY "OpenSSL 3.0 was not found")
    if(OPENSSL_FOUND)
        set(LEAT_HAVE_TLS ON)
        set(LEAT_TLS_WHY "OpenSSL ${OPENSSL_VERSION}")
    elseif(LEAT_WITH_TLS STREQUAL "ON")
        message(FATAL_ERROR
            "${LEAT_TLS_WHY}. Install libssl-dev, or configure with -DLEAT_WITH_TLS=OFF.")
    endif()
endif()

# In the compiler's and linker's own places, as -lcares says it; 1.16 brought ares_getaddrinfo.
if(NOT LEAT_WITH_CARES MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "LEAT_WITH_CARES is '${LEAT_WITH_CARES}'; it must be AUTO, ON or OFF.")
endif()
set(LEAT_HAVE_CARES OFF)
if(LEAT_WITH_CARES STREQUAL "OFF")
    set(LEAT_CARES_WHY "not wanted")
else()
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(LEAT_PC_CARES QUIET libcares)
    endif()
    include(CheckSymbolExists)
    if(NOT LEAT_CARES_COMPILES)
        unset(LEAT_CARES_COMPILES CACHE) # it may have been installed since
    endif()
    set(CMAKE_REQUIRED_LIBRARIES cares)
    check_symbol_exists(ares_getaddrinfo ares.h LEAT_CARES_COMPILES)
    unset(CMAKE_REQUIRED_LIBRARIES)
    set(LEAT_CARES_WHY "not found")
    if(LEAT_CARES_COMPILES)
        set(LEAT_HAVE_CARES ON)
        set(LEAT_CARES_WHY "c-ares ${LEAT_PC_CARES_VERSION}")
    elseif(LEAT_WITH_CARES STREQUAL "ON")
        message(FATAL_ERROR
            "c-ares (ares_getaddrinfo) was not found. Install libc-ares-dev, or configure with "
            "-DLEAT_WITH_CARES=OFF.")
    endif()
endif()
