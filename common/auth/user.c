/* user.c - the name of the user that the process runs as.
 * With simple authentication HADOOP_USER_NAME speaks for the process, as everywhere in Hadoop. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auth/auth.h"

static int put_name(char *out, size_t size, const char *name, struct err *err)
{
    int n = snprintf(out, size, "%s", name);
    if (n < 0 || (size_t)n >= size)
        return fail(err, ERR_CONFIG, "user name of %zu bytes is too long", strlen(name));
    return 0;
}

int auth_process_user(char *out, size_t size, struct err *err)
{
    const char *named = getenv("HADOOP_USER_NAME");
    if (named != NULL && named[0] != '\0')
        return put_name(out, size, named, err);
    char text[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) == 0 && found != NULL)
        return put_name(out, size, found->pw_name, err);
    snprintf(text, sizeof(text), "%u", (unsigned)geteuid());
    return put_name(out, size, text, err);
}
