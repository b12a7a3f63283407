/* Ranges and validators (RFC 9110, 8.8, 13 and 14). Pure. */
#include <errno.h>

#include <leat/http_fields.h>

#include "text.h"

/* ---- ranges ---- */

/* "-n": the last n bytes. */
static enum leat_http_range_kind take_suffix(leat_http_str digits, uint64_t size,
                                             struct leat_http_range *ret)
{
    uint64_t len;
    if (!leat__http_decimal(digits, &len)) {
        return LEAT_HTTP_RANGE_WHOLE;
    }
    if (len == 0 || size == 0) {
        return LEAT_HTTP_RANGE_UNSATISFIABLE;
    }
    len = len < size ? len : size;
    *ret = (struct leat_http_range){size - len, len};
    return LEAT_HTTP_RANGE_PART;
}

enum leat_http_range_kind leat_http_range_parse(leat_http_str value, uint64_t size,
                                                struct leat_http_range *ret)
{
    uint64_t first, last = UINT64_MAX;
    if (value.len < 6 ||
        !leat__http_str_same_nocase(str(value.data, 6), leat_http_str_of("bytes="))) {
        return LEAT_HTTP_RANGE_WHOLE;
    }
    const leat_http_str spec = str_trim(str_skip(value, 6));
    const size_t dash = str_find(spec, '-');
    if (dash == spec.len || str_find(spec, ',') < spec.len) { /* several ranges: everything */
        return LEAT_HTTP_RANGE_WHOLE;
    }
    const leat_http_str end = str_skip(spec, dash + 1);
    if (dash == 0) {
        return take_suffix(end, size, ret);
    }
    if (!leat__http_decimal(str(spec.data, dash), &first) ||
        (end.len && !leat__http_decimal(end, &last)) || last < first) {
        return LEAT_HTTP_RANGE_WHOLE;
    }
    if (first >= size) {
        return LEAT_HTTP_RANGE_UNSATISFIABLE;
    }
    last = last < size - 1 ? last : size - 1;
    *ret = (struct leat_http_range){first, last - first + 1};
    ENSURE(ret->first + ret->len <= size);
    return LEAT_HTTP_RANGE_PART;
}

int leat_http_content_range(struct leat_http_out *out, const struct leat_http_range *range,
                            uint64_t size)
{
    const size_t mark = out->len;
    ENSURE(!range || (range->len > 0 && range->len <= size && range->first <= size - range->len));
    int status = leat__http_add(out, range ? "bytes " : "bytes */");
    if (range) {
        status = status ? status : leat__http_add_decimal(out, range->first);
        status = status ? status : leat__http_add(out, "-");
        status = status ? status : leat__http_add_decimal(out, range->first + range->len - 1);
        status = status ? status : leat__http_add(out, "/");
    }
    status = status ? status : leat__http_add_decimal(out, size);
    out->len = status ? mark : out->len;
    return status;
}

/* ---- validators ---- */

static bool tag_is_weak(leat_http_str tag)
{
    return tag.len >= 2 && tag.data[0] == 'W' && tag.data[1] == '/';
}

static leat_http_str tag_opaque(leat_http_str tag)
{
    return tag_is_weak(tag) ? str_skip(tag, 2) : tag;
}

static bool tag_equal(leat_http_str a, leat_http_str b, bool weak)
{
    if (!weak && (tag_is_weak(a) || tag_is_weak(b))) {
        return false;
    }
    return leat__http_str_same(tag_opaque(a), tag_opaque(b));
}

/* Bytes of the entity tag that text starts with; 0: it is none. */
static size_t tag_len(leat_http_str text)
{
    const size_t prefix = tag_is_weak(text) ? 2 : 0;
    if (text.len < prefix + 2 || text.data[prefix] != '"') {
        return 0;
    }
    for (size_t i = prefix + 1; i < text.len; i++) {
        const char c = text.data[i];
        if (c == '"') {
            return i + 1;
        }
        if (!char_is(c, CHAR_VALUE) || char_is_blank(c)) { /* a tag has no escapes and no blanks */
            return 0;
        }
    }
    return 0;
}

static size_t separator_len(leat_http_str list)
{
    size_t len = 0;
    while (len < list.len && (char_is_blank(list.data[len]) || list.data[len] == ',')) {
        len++;
    }
    return len;
}

bool leat_http_etag_match(leat_http_str list, leat_http_str etag, bool weak)
{
    if (tag_len(etag) != etag.len || etag.len == 0) {
        return false;
    }
    if (leat_http_str_equal(str_trim(list), "*")) {
        return true;
    }
    while (true) {
        list = str_skip(list, separator_len(list));
        const size_t len = list.len ? tag_len(list) : 0;
        if (len == 0) {
            return false;
        }
        if (tag_equal(str(list.data, len), etag, weak)) {
            return true;
        }
        list = str_skip(list, len);
        if (list.len && separator_len(list) == 0) {
            return false;
        }
    }
}

bool leat_http_if_range_match(leat_http_str value, leat_http_str etag, leat_http_str last_modified)
{
    if (value.len == 0) {
        return false;
    }
    if (value.data[0] == '"' || tag_is_weak(value)) {
        return tag_len(value) == value.len && tag_len(etag) == etag.len &&
               tag_equal(value, etag, false);
    }
    return leat__http_str_same(value, last_modified);
}
