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
endif()
