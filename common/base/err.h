/* err.h - how an error is born and carried.
 * A function that can fail returns 0 or a negative `enum err_code`; the code drives behaviour, the
 * text in `struct err` is for people. fail() is the only way an error is born (out of memory
 * apart). */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.def"

enum err_position {
    ERR_POSITION_NONE,
#define E(name, cls, eno, retry) name##_POSITION,
    ERRORS(E)
#undef E
        ERR_POSITION_END
};

enum err_code {
#define E(name, cls, eno, retry) name = -name##_POSITION,
    ERRORS(E)
#undef E
};

enum err_retry { ERR_RETRY_NEVER, ERR_RETRY_SAME, ERR_RETRY_OTHER };

/* Owned by the caller, usually on its stack; zero it before use. `text` is one line without a final
 * period. */
struct err {
    int code;         /* 0 or an enum err_code */
    const char *file; /* where it was born */
    int line;
    char remote_class[128]; /* the Java class a server named, "" when it is code's own */
    char text[768];
};

#define must_use __attribute__((warn_unused_result))

#define TRY(x)          \
    do {                \
        int rc_ = (x);  \
        if (rc_ != 0)   \
            return rc_; \
    } while (0)

/* Tells the compiler, too, that an error is never 0, so that it follows out-parameters through TRY.
 */
#define err_negative(call)           \
    __extension__({                  \
        int code_ = (call);          \
        if (code_ >= 0)              \
            __builtin_unreachable(); \
        code_;                       \
    })
/* Sets *err (may be NULL) and returns code, which is negative. */
#define fail(err, code, ...) err_negative(fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__))
/* The same for a failed system call: code by errno (ENOSPC, ENOENT, EACCES, ETIMEDOUT, ECONNREFUSED
 * ... have their own, the rest is ERR_IO), text "<what>: <strerror>". */
#define fail_errno(err, ...) \
    err_negative(fail_errno_at((err), errno, __FILE__, __LINE__, __VA_ARGS__))

int fail_at(struct err *err, int code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
int fail_errno_at(struct err *err, int eno, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* An exception that a server sent: the code of that Java class, or ERR_REMOTE when we have none. */
int fail_remote(struct err *err, const char *java_class, const char *message);

const char *err_name(int code);
/* The Java class to send for err: the remote one if there is one, else that of the code. */
const char *err_class(const struct err *err);
const char *err_code_class(int code);
int err_errno(int code);
enum err_retry err_retry(int code);
/* The code whose Java class is java_class, or ERR_REMOTE. */
int err_from_class(const char *java_class);
