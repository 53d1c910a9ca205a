/* xattr.c - getfattr and setfattr.
 * Thread: the command's. */
#include <ctype.h>
#include <strings.h>

#include "cli/meta/meta.h"
#include "common/base/base.h"

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

static int parse_hex(const char *text, char **ret, size_t *ret_size, struct err *err)
{
    static const char class[] = "org.apache.commons.codec.DecoderException: ";
    size_t n = strlen(text);
    if (n % 2 != 0)
        return fail(err, ERR_IO, "%sOdd number of characters.", class);
    auto_text bytes = text_alloc(n / 2 + 1);
    for (size_t i = 0; i < n; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return fail(err, ERR_IO, "%sIllegal hexadecimal character %c at index %zu", class,
                        text[i], i);
        bytes[i / 2] = (char)((unsigned)(unsigned char)bytes[i / 2] << 4 | (unsigned)digit);
    }
    *ret = bytes;
    *ret_size = n / 2;
    bytes = NULL;
    return 0;
}

/* What is no digit is passed over. */
static void parse_base64(const char *text, char **ret, size_t *ret_size)
{
    char *bytes = text_alloc(strlen(text) + 1);
    size_t size = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (; *text != '\0' && *text != '='; text++) {
        char c = *text == '-' ? '+' : *text == '_' ? '/' : *text;
        const char *digit = strchr(digits64, c);
        if (digit == NULL)
            continue;
        bits = bits << 6 | (uint32_t)(digit - digits64);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[size++] = (char)(bits >> have);
        }
    }
    *ret = bytes;
    *ret_size = size;
}

int xattr_value_parse(const char *text, char **ret, size_t *ret_size, struct err *err)
{
    size_t n = strlen(text);
    if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
        text++;
        n -= 2;
    } else if (n >= 2 && text[0] == '0' && (text[1] | 32) == 'x') {
        return parse_hex(text + 2, ret, ret_size, err);
    } else if (n >= 2 && text[0] == '0' && (text[1] | 32) == 's') {
        parse_base64(text + 2, ret, ret_size);
        return 0;
    }
    *ret = text_ndup(text, n);
    *ret_size = n;
    return 0;
}

static char *show_base64(const uint8_t *value, size_t size, size_t *ret_size)
{
    char *text = text_alloc(size / 3 * 4 + 8);
    size_t n = 0;
    text[n++] = '0';
    text[n++] = 's';
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)value[i] << 16;
        bits |= i + 1 < size ? (uint32_t)value[i + 1] << 8 : 0;
        bits |= i + 2 < size ? value[i + 2] : 0;
        text[n++] = digits64[bits >> 18];
        text[n++] = digits64[bits >> 12 & 63];
        text[n++] = i + 1 < size ? digits64[bits >> 6 & 63] : '=';
        text[n++] = i + 2 < size ? digits64[bits & 63] : '=';
    }
    *ret_size = n;
    return text;
}

char *xattr_value_show(const void *value, size_t size, enum xattr_encoding encoding,
                       size_t *ret_size)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *bytes = value;
    if (encoding == XATTR_BASE64)
        return show_base64(bytes, size, ret_size);
    char *text = text_alloc(size * 2 + 3);
    size_t n = 0;
    if (encoding == XATTR_TEXT) {
        text[0] = '"';
        memcpy(text + 1, bytes, size);
        text[size + 1] = '"';
        *ret_size = size + 2;
        return text;
    }
    text[n++] = '0';
    text[n++] = 'x';
    for (size_t i = 0; i < size; i++) {
        text[n++] = hex[bytes[i] >> 4];
        text[n++] = hex[bytes[i] & 15];
    }
    *ret_size = n;
    return text;
}

/* A bad name is the command line's fault. */
static int check_name(const char *name, struct err *err)
{
    static const char *const spaces[] = {"user", "trusted", "security", "system", "raw"};
    const char *dot = strchr(name, '.');
    size_t n = dot == NULL ? 0 : (size_t)(dot - name);
    if (n >= 3 && dot[1] == '\0')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "XAttr name cannot be empty.");
    for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
        if (strlen(spaces[i]) == n && strncasecmp(spaces[i], name, n) == 0)
            return 0;
    return fail(err, ERR_ILLEGAL_ARGUMENT,
                "An XAttr name must be prefixed with user/trusted/security/system/raw, followed by "
                "a '.'");
}

struct getfattr {
    const char *name; /* NULL: all */
    enum xattr_encoding encoding;
};

static void print_xattr(const char *name, const struct dfs_xattr *x, enum xattr_encoding encoding,
                        FILE *out)
{
    fputs(name, out);
    if (x->size > 0) {
        size_t size;
        auto_text text = xattr_value_show(x->value, x->size, encoding, &size);
        fputc('=', out);
        (void)fwrite(text, 1, size, out); /* an error shows when the command ends */
    }
    fputc('\n', out);
}

static int read_xattrs(const struct getfattr *g, struct dfs *dfs, const struct item *item,
                       struct dfs_xattrs *ret, struct err *err)
{
    const char *const names[] = {g->name, NULL};
    struct dfs_error e = {0};
    return store_failed(
        err, dfs_get_xattrs(dfs, item->path, g->name == NULL ? NULL : names, ret, &e), &e);
}

static int getfattr_path(struct walk *w, struct item *item, struct err *err)
{
    const struct getfattr *g = w->data;
    FILE *out = w->sh->out;
    struct dfs *dfs = store_dfs(item->store);
    struct dfs_xattrs x = {0};
    fprintf(out, "# file: %s\n", item->text);
    if (dfs == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': no extended attributes of a local file system",
                    item->text);
    if (g->name != NULL)
        TRY(check_name(g->name, err));
    TRY(read_xattrs(g, dfs, item, &x, err));
    const char **names = text_alloc((x.count + 1) * sizeof(*names));
    for (size_t i = 0; i < x.count; i++)
        names[i] = x.items[i].name;
    size_t *order = text_java_order(names, x.count);
    for (size_t i = 0; i < x.count; i++) {
        const struct dfs_xattr *one = &x.items[order[i]];
        print_xattr(g->name == NULL ? one->name : g->name, one, g->encoding, out);
    }
    text_free(order);
    text_free(names);
    dfs_xattrs_free(&x);
    return 0;
}

static int parse_encoding(const char *text, enum xattr_encoding *ret, struct err *err)
{
    static const char *const words[] = {"text", "hex", "base64"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret = (enum xattr_encoding)i;
            return 0;
        }
    }
    return fail(err, ERR_ILLEGAL_ARGUMENT, "Invalid/unsupported encoding option specified: %s",
                text);
}

static int check_one_path(const struct args *args, struct err *err)
{
    if (args->count == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "<path> is missing.");
    return args->count == 1 ? 0 : fail(err, ERR_ILLEGAL_ARGUMENT, "Too many arguments.");
}

int cmd_getfattr(struct shell *sh, struct args *args, struct err *err)
{
    struct getfattr g = {0};
    const char *encoding = NULL;
    TRY(args_pop_value(args, "-n", &g.name, err));
    TRY(args_pop_value(args, "-e", &encoding, err));
    if (encoding != NULL)
        TRY(parse_encoding(encoding, &g.encoding, err));
    bool recursive = args_pop(args, "-R"), all = args_pop(args, "-d");
    if (!all && g.name == NULL)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Must specify '-n name' or '-d' option.");
    if (all)
        g.name = NULL;
    TRY(check_one_path(args, err));
    struct walk w = {.sh = sh, .data = &g, .recursive = recursive, .path = getfattr_path};
    return walk_args(&w, args, err);
}

struct setfattr {
    const char *name, *removed; /* one of them */
    char *value;                /* NULL: none */
    size_t size;
};

static int setfattr_path(struct walk *w, struct item *item, struct err *err)
{
    const struct setfattr *s = w->data;
    const char *name = s->name != NULL ? s->name : s->removed;
    struct dfs *dfs = store_dfs(item->store);
    struct dfs_error e = {0};
    if (dfs == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': no extended attributes of a local file system",
                    item->text);
    TRY(check_name(name, err));
    if (s->name == NULL)
        return store_failed(err, dfs_remove_xattr(dfs, item->path, name, &e), &e);
    unsigned flags = DFS_XATTR_CREATE | DFS_XATTR_REPLACE;
    return store_failed(err, dfs_set_xattr(dfs, item->path, name, s->value, s->size, flags, &e),
                        &e);
}

static int setfattr_run(struct shell *sh, struct args *args, struct setfattr *s, struct err *err)
{
    const char *value = NULL;
    TRY(args_pop_value(args, "-n", &s->name, err));
    TRY(args_pop_value(args, "-v", &value, err));
    if (value != NULL)
        TRY(xattr_value_parse(value, &s->value, &s->size, err));
    TRY(args_pop_value(args, "-x", &s->removed, err));
    if (s->name != NULL && s->removed != NULL)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Can not specify both '-n name' and '-x name' option.");
    if (s->name == NULL && s->removed == NULL)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Must specify '-n name' or '-x name' option.");
    TRY(check_one_path(args, err));
    struct walk w = {.sh = sh, .data = s, .path = setfattr_path};
    return walk_args(&w, args, err);
}

int cmd_setfattr(struct shell *sh, struct args *args, struct err *err)
{
    struct setfattr s = {0};
    int rc = setfattr_run(sh, args, &s, err);
    text_free(s.value);
    return rc;
}
