// room: namenode_image
/* Any bytes as an fsimage. What loads must be sound, and must be the same after being saved and
 * loaded again. */
#include <stdint.h>

#include "namenode/image/image.h"
#include "namenode/state/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int into_buf(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_append(ctx, data, size);
}

static void check_again(const struct nn *nn, const struct nn_identity *identity)
{
    struct buf image = {0};
    struct nn *again = NULL;
    struct err err = {0};
    uint8_t md5[IMAGE_MD5_SIZE];
    CHECK(image_save(nn, into_buf, &image, md5, &err) == 0);
    CHECK(image_load(buf_head(&image), buf_size(&image), identity, &again, &err) == 0);
    CHECK(nn_digest(nn) == nn_digest(again));
    nn_free(again);
    buf_fini(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nn_identity identity = {0};
    struct nn *nn = NULL;
    struct err err = {0};
    if (image_load(data, size, &identity, &nn, &err) != 0)
        return 0;
    (void)nn_verify(nn, &err); /* stamps may lie; it just must not fall over */
    check_again(nn, &identity);
    nn_free(nn);
    return 0;
}
