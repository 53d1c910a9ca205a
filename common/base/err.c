/* err.c - the table behind err.h. */
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

static const struct {
    const char *name;
    const char *java_class;
    int eno;
    enum err_retry retry;
} table[] = {[ERR_POSITION_NONE] = {"OK", "", 0, ERR_RETRY_NEVER},
#define E(name, cls, eno, retry) [name##_POSITION] = {#name, cls, eno, ERR_RETRY_##retry},
             ERRORS(E)
#undef E
};

_Noreturn void check_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "FATAL %s:%d check failed: %s\n", file, line, expr);
    abort();
}

static size_t position(int code)
{
    return code <= 0 && -code < ERR_POSITION_END ? (size_t)-code : ERR_IO_POSITION;
}

__attribute__((format(printf, 5, 0))) static int set(struct err *err, int code, const char *file,
                                                     int line, const char *fmt, va_list ap)
{
    CHECK(code < 0);
    if (err == NULL)
        return code;
    err->code = code;
    err->file = file;
    err->line = line;
    err->remote_class[0] = '\0';
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    return code;
}

int fail_at(struct err *err, int code, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = set(err, code, file, line, fmt, ap);
    va_end(ap);
    return rc;
}

static int code_of_errno(int eno)
{
    switch (eno) {
    case ENOMEM:
        return ERR_NO_MEMORY;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_ACCESS;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EMFILE: /* no descriptor is free: it says nothing about the file */
    case ENFILE:
        return ERR_BUSY;
    case EAGAIN: /* what a blocking socket with a time-out says */
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_CONNECT;
    case EPIPE:
    case ECONNRESET:
        return ERR_EOF;
    case EISDIR:
        return ERR_IS_DIR;
    case ENOTDIR:
        return ERR_NOT_DIR;
    default:
        return ERR_IO;
    }
}

int fail_errno_at(struct err *err, int eno, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = set(err, code_of_errno(eno), file, line, fmt, ap);
    va_end(ap);
    if (err != NULL) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(eno));
    }
    return rc;
}

int fail_remote(struct err *err, const char *java_class, const char *message)
{
    int code = err_from_class(java_class);
    if (err == NULL)
        return code;
    /* Java appends its stack frames after the first line; they say nothing to our users. */
    int length = (int)strcspn(message, "\n");
    (void)fail(err, code, "%.*s", length, message);
    snprintf(err->remote_class, sizeof(err->remote_class), "%s", java_class);
    return code;
}

const char *err_name(int code)
{
    return table[position(code)].name;
}

const char *err_class(const struct err *err)
{
    return err->remote_class[0] != '\0' ? err->remote_class : err_code_class(err->code);
}

const char *err_code_class(int code)
{
    return table[position(code)].java_class;
}

int err_errno(int code)
{
    return table[position(code)].eno;
}

enum err_retry err_retry(int code)
{
    return table[position(code)].retry;
}

int err_from_class(const char *java_class)
{
    for (int i = ERR_POSITION_NONE + 1; i < ERR_POSITION_END; i++)
        if (strcmp(table[i].java_class, java_class) == 0)
            return -i;
    return ERR_REMOTE;
}
