/*
 * Makes one allocation fail, for t/145-allocation.t: to be preloaded into nginx.
 *
 * FAILING_ALLOCATIONS names a file that holds a struct failing, mapped and shared with the test.
 * An allocation counts while `armed`, if it is the module's own (`of_module`: its code calls malloc
 * itself) or nginx's and its libraries' (otherwise), and if it is of `at_least` so many bytes. Number
 * `nth` of those fails, and if `onwards` all that follow as well.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct failing {
    uint32_t  armed, of_module, at_least, nth, onwards;
    uint32_t  count;                                       /* of those that were seen */
};

/* What glibc calls its own. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static volatile struct failing  *failing;

__attribute__((constructor)) static void
map_failing(void)
{
    const char  *path = getenv("FAILING_ALLOCATIONS");
    int          fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void        *at;

    if (fd == -1) {
        return;
    }

    at = mmap(NULL, sizeof(struct failing), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) {
        failing = at;
    }
}

static int
fails(const void *caller, size_t size)
{
    Dl_info   info;
    uint32_t  of_module;

    if (failing == NULL || !failing->armed || size < failing->at_least) {
        return 0;
    }

    of_module = dladdr(caller, &info) && strstr(info.dli_fname, "ngx_http_download_module") != NULL;
    if (of_module != failing->of_module) {
        return 0;
    }

    failing->count++;
    if (failing->count != failing->nth && !(failing->onwards && failing->count > failing->nth)) {
        return 0;
    }

    errno = ENOMEM;
    return 1;
}

#define FAILS(size)  fails(__builtin_return_address(0), size)

void *malloc(size_t size) { return FAILS(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return FAILS(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return FAILS(size) ? NULL : __libc_realloc(p, size); }
void *memalign(size_t to, size_t size) { return FAILS(size) ? NULL : __libc_memalign(to, size); }
void *aligned_alloc(size_t to, size_t size) { return FAILS(size) ? NULL : __libc_memalign(to, size); }

int
posix_memalign(void **p, size_t to, size_t size)
{
    void  *got = FAILS(size) ? NULL : __libc_memalign(to, size);

    if (got == NULL) {
        return ENOMEM;
    }
    *p = got;
    return 0;
}
