/* Whether a host could have that name. RFC 1123, 2.1, and RFC 1035, 2.3.4; '_' is let through, as others do. */
#include <errno.h>
#include <string.h>

#include "resolver.h"

#define LABEL_MAX 63u

static bool is_ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool may_be_in_label(char c)
{
    return is_ascii_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

int name_check(const char *name)
{
    size_t len = strlen(name);
    len -= len > 0 && name[len - 1] == '.'; /* of the root */
    if (len == 0) {
        return -EINVAL;
    }
    size_t label = 0;
    bool is_number = true; /* the last label: then it would be an address, and is none */
    int status = len > LEAT_RESOLVER_NAME_MAX ? -ENAMETOOLONG : 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (label == 0) {
                return -EINVAL;
            }
            label = 0;
            is_number = true;
            continue;
        }
        if (!may_be_in_label(name[i])) {
            return -EINVAL;
        }
        is_number = is_number && is_ascii_digit(name[i]);
        if (++label > LABEL_MAX) {
            status = -ENAMETOOLONG;
        }
    }
    return label == 0 || is_number ? -EINVAL : status;
}
