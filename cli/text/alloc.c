/* alloc.c - memory for a short-lived command: it is there, or the command ends.
 * Thread: any. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text/text.h"

static _Noreturn void no_memory(void)
{
    fputs("dfs: out of memory\n", stderr);
    exit(255);
}

void *text_alloc(size_t size)
{
    void *p = calloc(1, size == 0 ? 1 : size);
    if (p == NULL)
        no_memory();
    return p;
}

void *text_grow(void *old, size_t size)
{
    void *p = realloc(old, size == 0 ? 1 : size);
    if (p == NULL)
        no_memory();
    return p;
}

char *text_dup(const char *text)
{
    return text_ndup(text, strlen(text));
}

char *text_ndup(const char *text, size_t size)
{
    char *copy = text_alloc(size + 1);
    memcpy(copy, text, size);
    return copy;
}

char *text_printf(const char *fmt, ...)
{
    va_list args;
    char *out = NULL;
    va_start(args, fmt);
    int n = vasprintf(&out, fmt, args);
    va_end(args);
    if (n < 0)
        no_memory();
    return out;
}

void text_free(void *pointer)
{
    free(pointer);
}

void text_free_at(char **pointer)
{
    free(*pointer);
}
