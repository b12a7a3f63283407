# The installed package: the libraries, the public headers, leatConfig.cmake and the .pc files.

include(CMakePackageConfigHelpers)

set(leat_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/leat")

# Two export sets: the static library needs more of the user's machine than the shared one, and whoever
# wants only the shared one must not be asked for it.
install(TARGETS leat EXPORT leatTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS leat_static EXPORT leatStaticTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
foreach(leat_protocol IN LISTS LEAT_PROTOCOLS)
    install(TARGETS leat_${leat_protocol} EXPORT leatTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    # It needs nothing, so it is there even where leat::leat_static is not.
    install(TARGETS leat_${leat_protocol}_static EXPORT leatTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endforeach()
foreach(leat_service IN LISTS LEAT_SERVICES)
    install(TARGETS leat_${leat_service} EXPORT leatTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(TARGETS leat_${leat_service}_static EXPORT leatStaticTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endforeach()
install(EXPORT leatTargets NAMESPACE leat:: DESTINATION "${leat_cmake_dir}")
install(EXPORT leatStaticTargets NAMESPACE leat:: DESTINATION "${leat_cmake_dir}")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/leat"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/leatConfig.cmake.in leatConfig.cmake
    INSTALL_DESTINATION "${leat_cmake_dir}"
    NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor release may break.
write_basic_package_version_file(leatConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/leatConfig.cmake" "${PROJECT_BINARY_DIR}/leatConfigVersion.cmake"
    DESTINATION "${leat_cmake_dir}")

# leat.pc finds its prefix from where it lies, so the tree may be moved.
set(leat_pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH leat_pc_prefix "${leat_pc_dir}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" leat_pc_prefix "${leat_pc_prefix}")
file(RELATIVE_PATH leat_pc_libdir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_LIBDIR}")
file(RELATIVE_PATH leat_pc_includedir "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
set(leat_pc_private "-pthread")
if(LEAT_HAVE_MIMALLOC)
    string(APPEND leat_pc_private " -lmimalloc")
endif()
if(LEAT_HAVE_URING)
    string(APPEND leat_pc_private " -luring")
endif()
configure_file(cmake/leat.pc.in leat.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/leat.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
foreach(leat_protocol IN LISTS LEAT_PROTOCOLS)
    configure_file(cmake/leat-protocol.pc.in leat-${leat_protocol}.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/leat-${leat_protocol}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
foreach(leat_service IN LISTS LEAT_SERVICES)
    set(leat_service_requires "${LEAT_SERVICE_${leat_service}_REQUIRES}")
    set(leat_service_libraries "${LEAT_SERVICE_${leat_service}_LIBRARIES}")
    configure_file(cmake/leat-service.pc.in leat-${leat_service}.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/leat-${leat_service}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
