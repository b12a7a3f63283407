/* What a request gets of a file: its conditions in the order of RFC 9110, 13.2.2, then its range. Pure
 * functions. */
#include "files.h"

static leat_http_str etag_of(const struct file *file)
{
    return leat_http_str_of(file->etag);
}

static leat_http_str modified_of(const struct file *file)
{
    return (leat_http_str){file->modified, file->has_modified ? LEAT_HTTP_DATE_LEN : 0};
}

/* Whether one of the fields of that name lists the tag. *ret_any: there is such a field. */
static bool tag_matches(const struct leat_http_head *head, const char *name,
                        const struct file *file, bool weak, bool *ret_any)
{
    uint32_t at = 0;
    leat_http_str value;
    bool matches = false;
    *ret_any = false;
    while (leat_http_head_next(head, name, &at, &value)) {
        *ret_any = true;
        matches |= leat_http_etag_match(value, etag_of(file), weak);
    }
    return matches;
}

/* Whether it was changed after the date in that field; a date that is none does not count. */
static bool changed_since(const struct leat_http_head *head, const char *name,
                          const struct file *file, bool *ret_any)
{
    leat_http_str value;
    uint64_t unix_s = 0;
    *ret_any = file->has_modified && leat_http_head_find(head, name, &value) &&
               leat_http_date_parse(value, &unix_s) == 0;
    return *ret_any && file->mtime_ns / LEAT_SEC > unix_s;
}

/* 0: go on. */
static unsigned conditions(const struct leat_http_head *head, const struct file *file)
{
    bool is_said;
    bool holds = tag_matches(head, "If-Match", file, false, &is_said);
    if (is_said && !holds) {
        return 412;
    }
    if (!is_said && changed_since(head, "If-Unmodified-Since", file, &is_said)) {
        return 412;
    }
    holds = tag_matches(head, "If-None-Match", file, true, &is_said);
    if (is_said) {
        return holds ? 304 : 0;
    }
    holds = changed_since(head, "If-Modified-Since", file, &is_said);
    return is_said && !holds ? 304 : 0;
}

struct plan file_plan(const struct leat_httpd_request *request, const struct file *file)
{
    const struct leat_http_head *head = &request->http.head;
    struct plan plan = {.status = conditions(head, file), .len = file->size};
    leat_http_str value, unless;
    if (plan.status != 0) {
        plan.len = 0;
        return plan;
    }
    plan.status = 200;
    if (request->http.method != LEAT_HTTP_GET || !leat_http_head_find(head, "Range", &value)) {
        return plan;
    }
    if (leat_http_head_find(head, "If-Range", &unless) &&
        (file->is_recent || !leat_http_if_range_match(unless, etag_of(file), modified_of(file)))) {
        return plan;
    }
    struct leat_http_range range = {0};
    switch (leat_http_range_parse(value, file->size, &range)) {
    case LEAT_HTTP_RANGE_PART:
        return (struct plan){.status = 206, .first = range.first, .len = range.len};
    case LEAT_HTTP_RANGE_UNSATISFIABLE:
        return (struct plan){.status = 416};
    default:
        return plan;
    }
}

static struct leat_http_header header(const char *name, leat_http_str value)
{
    return (struct leat_http_header){leat_http_str_of(name), value};
}

size_t file_headers(const struct plan *plan, const struct file *file, const char *path,
                    char range[64], struct leat_http_header headers[FILE_HEADERS_MAX])
{
    size_t count = 0;
    struct leat_http_out out = {range, 64, 0};
    if (plan->status == 412) {
        return 0;
    }
    if (plan->status == 200 || plan->status == 206) {
        const leat_http_str type = leat_http_str_of(leat_http_mime_of(leat_http_str_of(path)));
        headers[count++] = header("Content-Type", type);
        headers[count++] = header("Accept-Ranges", leat_http_str_of("bytes"));
    }
    if (plan->status == 206 || plan->status == 416) {
        const struct leat_http_range part = {plan->first, plan->len};
        (void)leat_http_content_range(&out, plan->status == 206 ? &part : NULL, file->size);
        headers[count++] = header("Content-Range", (leat_http_str){range, out.len});
    }
    if (plan->status != 416) {
        headers[count++] = header("ETag", etag_of(file));
        if (file->has_modified) {
            headers[count++] = header("Last-Modified", modified_of(file));
        }
    }
    return count;
}
