// room: namenode_journal
/* Any bytes as a segment of the edit log, read and applied. Checksums are made right first, so that
 * the bodies are reached; what decodes must encode to the same record, and what applies must leave
 * a sound state. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc/crc.h"
#include "namenode/journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Puts the right checksum behind each record that fits, and consecutive ids into them. */
static void repair(uint8_t *data, size_t size)
{
    size_t at = EDIT_SEGMENT_HEADER_SIZE;
    for (uint64_t txid = 1; size > 17 && at <= size - 17; txid++) {
        struct reader r = reader_of(data + at + 1, 4);
        uint32_t length = read_u32(&r);
        if (length < 12 || length > size - at - 5)
            return;
        put_u64(data + at + 5, txid);
        put_u32(data + at + 1 + length, crc32_zlib(0, data + at, 1 + (size_t)length));
        at += 5 + (size_t)length;
    }
}

static void check_encoding(const struct edit *e)
{
    struct buf once = {0}, twice = {0};
    struct err err = {0};
    struct arena arena;
    struct edit again;
    arena_init(&arena, 0);
    if (edit_encode_header(&once) == 0 && edit_encode(&once, e, &err) == 0) {
        struct edit_reader r;
        CHECK(edit_reader_init(&r, buf_head(&once), buf_size(&once), e->txid, &err) == 0);
        CHECK(edit_read(&r, &arena, &again, &err) == EDIT_READ_ONE);
        CHECK(edit_encode_header(&twice) == 0 && edit_encode(&twice, &again, &err) == 0);
        CHECK(buf_size(&once) == buf_size(&twice));
        CHECK(memcmp(buf_head(&once), buf_head(&twice), buf_size(&once)) == 0);
    }
    buf_clear(&once);
    CHECK(edit_dump(&once, e) == 0);
    arena_fini(&arena);
    buf_fini(&once);
    buf_fini(&twice);
}

static void apply_all(struct nn *nn, const uint8_t *data, size_t size)
{
    struct edit_reader r;
    struct edit e;
    struct err err = {0};
    struct arena arena;
    if (edit_reader_init(&r, data, size, 0, &err) != 0)
        return;
    arena_init(&arena, 0);
    bool sound = true;
    while (edit_read(&r, &arena, &e, &err) == EDIT_READ_ONE) {
        check_encoding(&e);
        if (sound && edit_apply(nn, &e, &err) != 0)
            sound = false; /* the start would end here; go on decoding */
        (void)nn_collect(nn, 3);
        arena_reset(&arena);
    }
    (void)nn_digest(nn);
    if (sound)
        CHECK(nn_verify(nn, &err) == 0);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nn_identity identity = {0};
    struct nn *nn = NULL;
    struct err err = {0};
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL || nn_new(&identity, "root", "supergroup", &nn, &err) != 0)
        abort();
    memcpy(copy, data, size);
    repair(copy, size);
    apply_all(nn, copy, size);
    nn_free(nn);
    free(copy);
    return 0;
}
