#include <leat/leat.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    printf("%s\n", leat_version_string());
    return strcmp(leat_version_string(), EXPECTED_VERSION) != 0;
}
