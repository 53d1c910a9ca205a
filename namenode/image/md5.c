/* md5.c - the digest that lies beside each image. */
#include <openssl/evp.h>

#include "common/base/check.h"
#include "namenode/image/internal.h"

const uint8_t image_storage_type[QUOTA_TYPES] = {
    HDFS__STORAGE_TYPE__RAM_DISK, HDFS__STORAGE_TYPE__SSD,      HDFS__STORAGE_TYPE__DISK,
    HDFS__STORAGE_TYPE__ARCHIVE,  HDFS__STORAGE_TYPE__PROVIDED, HDFS__STORAGE_TYPE__NVDIMM,
};

void image_md5(const void *data, size_t size, uint8_t ret_md5[IMAGE_MD5_SIZE])
{
    unsigned length = 0;
    CHECK(EVP_Digest(data, size, ret_md5, &length, EVP_md5(), NULL) == 1);
    CHECK(length == IMAGE_MD5_SIZE);
}
