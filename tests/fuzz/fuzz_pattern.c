// room: cli_store
/* fuzz_pattern.c - words of a command line: patterns against names, paths, modes. Input: pattern,
 * NUL, name. */
#include <stdlib.h>

#include "cli/store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    auto_text pattern = text_ndup((const char *)data, size);
    size_t n = strlen(pattern);
    auto_text name = n < size ? text_ndup((const char *)data + n + 1, size - n - 1) : text_dup("");
    struct err err = {0};
    struct pattern *p;
    if (pattern_new(pattern, &p, &err) == 0) {
        (void)pattern_matches(p, name);
        pattern_free(p);
    }
    char **flat;
    if (glob_expand(pattern, &flat, &err) == 0)
        list_free(flat);
    auto_text absolute = path_absolute("/user/me", pattern);
    CHECK(absolute[0] == '/' && strstr(absolute, "//") == NULL);
    auto_text again = path_absolute("/", absolute);
    CHECK(strcmp(again, absolute) == 0); /* normalised is normalised */
    CHECK(path_compare(absolute, absolute) == 0);
    CHECK(path_compare(absolute, name) == -path_compare(name, absolute));
    struct path_parts parts;
    if (path_split(pattern, &parts, &err) != 0)
        CHECK(err.text[0] != '\0');
    struct mode_change change;
    if (mode_parse(pattern, &change))
        CHECK(mode_apply(&change, 0644, false) <= 01777);
    int64_t ms;
    (void)timestamp_parse(pattern, &ms);
    auto_text printable = text_printable(name);
    CHECK(strlen(printable) <= strlen(name));
    return 0;
}
