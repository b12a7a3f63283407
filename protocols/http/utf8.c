/* UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF. */
#include "text.h"

size_t leat__http_utf8_len(leat_http_str text)
{
    ENSURE(text.len > 0);
    const unsigned char *const at = (const unsigned char *)text.data;
    if (at[0] < 0x80) {
        return 1;
    }
    const size_t len = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                       : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                       : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                        : 0;
    if (len == 0 || text.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    const bool beyond = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

bool leat__http_is_utf8(leat_http_str text)
{
    while (text.len) {
        const size_t len = leat__http_utf8_len(text);
        if (len == 0) {
            return false;
        }
        text = str_skip(text, len);
    }
    return true;
}
