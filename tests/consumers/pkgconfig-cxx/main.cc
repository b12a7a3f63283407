#include <leat/leat.h>

#include <cstdio>
#include <string>

int main()
{
    std::printf("%s\n", leat_version_string());
    return std::string(leat_version_string()) == EXPECTED_VERSION ? 0 : 1;
}
