/* check.c - are the string fields of an encoded message fit to become C strings?
 * Pure. protobuf-c hands a string on as `char *`, so an embedded NUL would silently cut a path
 * ("/a\0b" would name
 * "/a"). Malformed wire bytes are not judged here: protobuf-c refuses them itself. */
#include "common/rpc/internal.h"

enum { MAX_DEPTH = 32, WIRE_BYTES = 2 };

static int check_level(const ProtobufCMessageDescriptor *d, struct slice message, int depth,
                       struct err *err)
{
    struct reader r = reader_of(message.data, message.size);
    struct pb_field f;
    while (pb_next(&r, &f)) {
        if (f.wire != WIRE_BYTES)
            continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(d, f.number);
        if (field == NULL)
            continue;
        if (field->type == PROTOBUF_C_TYPE_STRING) {
            if (!utf8_valid(f.bytes))
                return fail(err, ERR_PROTOCOL, "field %s of %s is not UTF-8 without NUL",
                            field->name, d->short_name);
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (depth == MAX_DEPTH)
                return fail(err, ERR_PROTOCOL, "%s is nested too deeply", d->short_name);
            TRY(check_level((const ProtobufCMessageDescriptor *)field->descriptor, f.bytes,
                            depth + 1, err));
        }
    }
    return 0;
}

int rpc_check_strings(const ProtobufCMessageDescriptor *descriptor, struct slice message,
                      struct err *err)
{
    return check_level(descriptor, message, 0, err);
}
