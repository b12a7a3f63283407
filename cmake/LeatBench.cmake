# bench/*.c is one program, <build>/bench/leat-bench. It sees bench/ and the public headers: what is
# measured is what a user can call.

file(GLOB LEAT_BENCH_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
if(LEAT_BENCH_SOURCES)
    add_executable(leat-bench ${LEAT_BENCH_SOURCES})
    leat_flags(leat-bench)
    set_target_properties(leat-bench PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
    target_compile_definitions(leat-bench PRIVATE _GNU_SOURCE=)
    leat_private_headers(leat-bench "${PROJECT_SOURCE_DIR}/bench")
    target_link_libraries(leat-bench PRIVATE leat_static Threads::Threads)

    # Floors beside the first: what this machine has.
    if(LEAT_HAVE_URING)
        target_compile_definitions(leat-bench PRIVATE LEAT_BENCH_URING)
        target_include_directories(leat-bench SYSTEM PRIVATE "${LEAT_URING_INCLUDE_DIR}")
        target_link_libraries(leat-bench PRIVATE "${LEAT_URING_LIBRARY}")
    endif()
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(LEAT_PC_UV QUIET IMPORTED_TARGET libuv)
    endif()
    if(TARGET PkgConfig::LEAT_PC_UV)
        target_compile_definitions(leat-bench PRIVATE LEAT_BENCH_LIBUV)
        target_link_libraries(leat-bench PRIVATE PkgConfig::LEAT_PC_UV)
    endif()
endif()

# bench/whip_load/*.c is another, a load generator for servers of WHIP and WHEP.
if(TARGET leat_webrtc)
    file(GLOB LEAT_LOAD_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/whip_load/*.c")
    add_executable(whip_load ${LEAT_LOAD_SOURCES})
    leat_flags(whip_load)
    set_target_properties(whip_load PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
    target_compile_definitions(whip_load PRIVATE _GNU_SOURCE=)
    target_link_libraries(whip_load PRIVATE
        leat_webrtc_static leat_http1_static OpenSSL::SSL Threads::Threads)
endif()
# What end-to-end tests need of it, where it can be built.
add_custom_target(leat-load)
if(TARGET whip_load)
    add_dependencies(leat-load whip_load)
endif()
