/* SPDX-License-Identifier: MIT */
/* Any packed stream: what comes out is never longer than the limit. The first byte is the
 * limit, in 64 bytes. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "firmware/unpack.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct fuzz_input input = {data, size};
    uint64_t limit = 64ull * fuzz_take8(&input);
    fuzz_memory(0, 4096); /* for the count of files */
    int fd = fuzz_file(input.bytes, input.left);
    int unpacked;
    if (unpack(fd, 0, input.left, limit, &unpacked, &error)) {
        struct stat status;
        FUZZ_CHECK(fstat(unpacked, &status) == 0);
        FUZZ_CHECK((uint64_t)status.st_size <= limit);
        close(unpacked);
    }
    close(fd);
    fuzz_check_files();
    return 0;
}

void fuzz_seeds(void)
{
    static uint8_t plain[8192];
    uint8_t bytes[1024] = {255};
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i / 64);
    z_stream stream = {
        .next_in = plain,
        .avail_in = sizeof plain,
        .next_out = bytes + 1,
        .avail_out = sizeof bytes - 1,
    };
    FUZZ_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
               Z_OK);
    FUZZ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    fuzz_seed("gzip", bytes, stream.total_out + 1);
    bytes[0] = sizeof plain / 64 - 1;
    fuzz_seed("gzip-limit", bytes, stream.total_out + 1);
    deflateEnd(&stream);
    size_t packed = ZSTD_compress(bytes + 1, sizeof bytes - 1, plain, sizeof plain, 3);
    FUZZ_CHECK(!ZSTD_isError(packed));
    fuzz_seed("zstd", bytes, packed + 1);
    fuzz_seed("cut", bytes, packed / 2);
}
