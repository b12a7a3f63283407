/* Dates as HTTP writes them (RFC 9110, 5.6.7), from and to seconds since 1970. Pure: the time is the
 * caller's. */
#include <errno.h>

#include <leat/http_fields.h>

#include "text.h"

#define DAY_S UINT64_C(86400)
#define LAST_S UINT64_C(253402300799) /* the end of the year 9999 */

static const char week_days[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void put_number(char *at, uint64_t number, unsigned digits)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
    ENSURE(number == 0);
}

/* Days since 1970 to the civil date, counting years from March: then a leap day is a year's last. */
static void civil_of(uint64_t days, uint64_t *year, uint64_t *month, uint64_t *day)
{
    const uint64_t shifted = days + 719468; /* from 0000-03-01 */
    const uint64_t era = shifted / 146097, of_era = shifted % 146097;
    const uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint64_t from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
    const uint64_t shifted = year - (month <= 2);
    const uint64_t era = shifted / 400, year_of_era = shifted % 400;
    const uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year -
           719468;
}

leat_http_str leat_http_date(uint64_t unix_s, char buf[LEAT_HTTP_DATE_LEN])
{
    uint64_t year, month, day;
    const uint64_t time = unix_s < LAST_S ? unix_s : LAST_S, of_day = time % DAY_S;
    civil_of(time / DAY_S, &year, &month, &day);
    ENSURE(month >= 1 && month <= 12);
    memcpy(buf, "Thu, 00 Jan 0000 00:00:00 GMT", LEAT_HTTP_DATE_LEN);
    memcpy(buf, week_days + time / DAY_S % 7 * 3, 3);
    put_number(buf + 5, day, 2);
    memcpy(buf + 8, months + (month - 1) * 3, 3);
    put_number(buf + 12, year, 4);
    put_number(buf + 17, of_day / 3600, 2);
    put_number(buf + 20, of_day / 60 % 60, 2);
    put_number(buf + 23, of_day % 60, 2);
    return str(buf, LEAT_HTTP_DATE_LEN);
}

int leat_http_date_parse(leat_http_str text, uint64_t *ret_unix_s)
{
    uint64_t year, day, hour, minute, second, month = 0;
    if (text.len != LEAT_HTTP_DATE_LEN || !leat__http_decimal(str(text.data + 5, 2), &day) ||
        !leat__http_decimal(str(text.data + 12, 4), &year) ||
        !leat__http_decimal(str(text.data + 17, 2), &hour) ||
        !leat__http_decimal(str(text.data + 20, 2), &minute) ||
        !leat__http_decimal(str(text.data + 23, 2), &second)) {
        return -EINVAL;
    }
    while (month < 12 && memcmp(text.data + 8, months + month * 3, 3) != 0) {
        month++;
    }
    if (month == 12 || year < 1970 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60) {
        return -EINVAL;
    }
    const uint64_t time = days_of(year, month + 1, day) * DAY_S + hour * 3600 + minute * 60 +
                          (second < 60 ? second : 59);
    /* Written again it must be the same: that checks the week day, the month's length and every blank. */
    char again[LEAT_HTTP_DATE_LEN];
    (void)leat_http_date(time, again);
    if (second == 60) {
        memcpy(again + 23, "60", 2);
    }
    if (memcmp(again, text.data, LEAT_HTTP_DATE_LEN) != 0) {
        return -EINVAL;
    }
    *ret_unix_s = time;
    return 0;
}
