/* Media types (RFC 9110, 8.3 and 12.5.1), bearer tokens (RFC 6750), links (RFC 8288). Pure. */
#include <errno.h>

#include <leat/http_fields.h>

#include "text.h"

static const struct {
    const char *ending;
    const char *type;
} endings[] = {
    {"avif", "image/avif"},
    {"css", "text/css; charset=utf-8"},
    {"gif", "image/gif"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/x-icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"ogg", "audio/ogg"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"sdp", "application/sdp"},
    {"svg", "image/svg+xml"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
};

const char *leat_http_mime_of(leat_http_str path)
{
    size_t dot = path.len;
    while (dot > 0 && path.data[dot - 1] != '.' && path.data[dot - 1] != '/') {
        dot--;
    }
    if (dot > 0 && path.data[dot - 1] == '.') {
        const leat_http_str ending = str_skip(path, dot);
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
            if (leat_http_str_equal_nocase(ending, endings[i].ending)) {
                return endings[i].type;
            }
        }
    }
    return "application/octet-stream";
}

/* What stands before the parameters. */
static leat_http_str bare_type(leat_http_str value)
{
    return str_trim(str(value.data, str_find(value, ';')));
}

bool leat_http_media_is(leat_http_str value, const char *type)
{
    return leat_http_str_equal_nocase(bare_type(value), type);
}

/* "0.5" to 500; 1000 for what is no weight (RFC 9110, 12.4.2). */
static unsigned weight_of(leat_http_str text)
{
    unsigned weight = 0, unit = 100;
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.len > 1 && text.data[1] != '.')) {
        return 1000;
    }
    weight = text.data[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (!char_is_digit(text.data[i])) {
            return 1000;
        }
        weight += unit * (unsigned)(text.data[i] - '0');
    }
    return weight < 1000 ? weight : 1000;
}

static unsigned range_weight(leat_http_str range)
{
    while (true) {
        const size_t semicolon = str_find(range, ';');
        if (semicolon == range.len) {
            return 1000;
        }
        range = str_skip(range, semicolon + 1);
        const leat_http_str param = str_trim(str(range.data, str_find(range, ';')));
        if (param.len > 2 && char_lower(param.data[0]) == 'q' && param.data[1] == '=') {
            return weight_of(str_skip(param, 2));
        }
    }
}

/* 0: does not cover the type; 1: everything; 2: "text" and a star; 3: the type itself. */
static unsigned range_fit(leat_http_str range, leat_http_str type)
{
    const size_t slash = str_find(type, '/');
    ENSURE(slash < type.len);
    if (leat_http_str_equal(range, "*/*")) {
        return 1;
    }
    if (leat__http_str_same_nocase(range, type)) {
        return 3;
    }
    const bool any =
        range.len == slash + 2 && range.data[slash + 1] == '*' &&
        leat__http_str_same_nocase(str(range.data, slash + 1), str(type.data, slash + 1));
    return any ? 2 : 0;
}

unsigned leat_http_accept_quality(leat_http_str value, const char *type)
{
    unsigned quality = 0, best = 0;
    leat_http_str range;
    if (str_trim(value).len == 0) {
        return 1000;
    }
    while (leat_http_list_next(&value, &range)) {
        const unsigned fit = range_fit(bare_type(range), leat_http_str_of(type));
        if (fit > best) {
            best = fit;
            quality = range_weight(range);
        }
    }
    return quality;
}

/* ---- others ---- */

bool leat_http_bearer(leat_http_str value, leat_http_str *ret_token)
{
    if (value.len < 8 ||
        !leat__http_str_same_nocase(str(value.data, 7), leat_http_str_of("Bearer "))) {
        return false;
    }
    const leat_http_str token = str_trim(str_skip(value, 7));
    size_t len = 0;
    while (len < token.len && char_is(token.data[len], CHAR_TOKEN68)) {
        len++;
    }
    size_t end = len;
    while (end < token.len && token.data[end] == '=') {
        end++;
    }
    if (len == 0 || end < token.len) {
        return false;
    }
    *ret_token = token;
    return true;
}

/* name="value", the value escaped. */
static int add_param(struct leat_http_out *out, leat_http_str name, leat_http_str value)
{
    if (!str_is_token(name) || !leat__http_is_value(value)) {
        return -EINVAL;
    }
    if (leat__http_add(out, "; ") || leat_http_out_add(out, name) || leat__http_add(out, "=\"")) {
        return -ENOSPC;
    }
    for (size_t i = 0; i < value.len; i++) {
        const bool escape = value.data[i] == '"' || value.data[i] == '\\';
        if ((escape && leat__http_add(out, "\\")) ||
            leat_http_out_add(out, str(value.data + i, 1))) {
            return -ENOSPC;
        }
    }
    return leat__http_add(out, "\"");
}

int leat_http_link(struct leat_http_out *out, leat_http_str uri, leat_http_str rel,
                   const struct leat_http_header *params, size_t param_count)
{
    const size_t mark = out->len;
    ENSURE(param_count == 0 || params != NULL);
    if (uri.len == 0 || str_find(uri, '>') < uri.len || str_find(uri, '<') < uri.len ||
        str_find(uri, ' ') < uri.len || !leat__http_is_value(uri)) {
        return -EINVAL;
    }
    int status = mark ? leat__http_add(out, ", <") : leat__http_add(out, "<");
    status = status ? status : leat_http_out_add(out, uri);
    status = status ? status : leat__http_add(out, ">");
    status = status ? status : add_param(out, leat_http_str_of("rel"), rel);
    for (size_t i = 0; status == 0 && i < param_count; i++) {
        status = add_param(out, params[i].name, params[i].value);
    }
    out->len = status ? mark : out->len;
    return status;
}
