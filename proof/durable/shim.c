/* Sees every durable call of a process on files below one directory, and makes chosen ones fail.
 *
 * Loaded with LD_PRELOAD. A durable call is one that changes what a disk holds: creation, write, truncation, allocation,
 * sync, rename, removal, directory. Calls are counted from 1; the one with the number `at` meets the fault, or
 * the next one that it can happen to. All are
 * logged, in the order in which the kernel was asked: a write under the lock that also orders the log, a sync when it
 * began (what it covers was written before) and when it ended.
 *
 * Faults: KILL before the call; TORN: half of a write, then the kill; EIO, ENOSPC: nothing is done and the call fails;
 * SHORT: half of a write is done and said; LOST: a sync fails and what it should have made durable is put back to what
 * was there before, as Linux may do it (dirty pages are marked clean after a failed write-back).
 *
 * From the environment when SHIM_WATCH is set (a process of its own), else by the functions shim_* (after a fork).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { CREATE = 1, WRITE, TRUNCATE, ALLOCATE, FSYNC, FDATASYNC, SYNCDIR, RENAME, UNLINK, MKDIR, RMDIR, LINK, MARK, SYNCED };
enum fault { NONE, KILL, TORN, EIO_, ENOSPC_, SHORT, LOST };
#define MAGIC 0x51544152u
#define PATHS 8192

struct __attribute__((packed)) entry {
  uint32_t magic; uint8_t op, fault, has_data, spare;
  uint32_t path_bytes; int32_t result; uint32_t number; uint64_t offset; uint32_t data_bytes;
};
struct undo { ino_t inode; off_t offset; size_t length, had; char *old; struct undo *next; };
typedef void (*told)(unsigned number, int op, const char *path);

static char watched[4096];
static size_t watched_bytes;
static int log_fd = -1, with_data, fault_kind;
static unsigned long count, fault_at;
static int fired;
static char fault_part[256];
static told callback;
static struct undo *undos;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;

#define REAL(type, name, ...) \
  static type (*real_##name)(__VA_ARGS__); \
  __attribute__((constructor)) static void find_##name(void) { *(void **)&real_##name = dlsym(RTLD_NEXT, #name); }
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off_t)
REAL(int, ftruncate64, int, off_t)
REAL(int, posix_fallocate64, int, off_t, off_t)
REAL(int, fallocate64, int, int, off_t, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, renameat, int, const char *, int, const char *)
REAL(int, unlinkat, int, const char *, int)
REAL(int, mkdirat, int, const char *, mode_t)
REAL(int, openat64, int, const char *, int, ...)
REAL(int, linkat, int, const char *, int, const char *, int)

/* --- what is watched ----------------------------------------------------------------------------------------- */
static int below(const char *path) {
  return watched_bytes && !strncmp(path, watched, watched_bytes) && (path[watched_bytes] == '/' || !path[watched_bytes]);
}

static int path_of(int fd, char *path) {
  if (!watched_bytes || inside || fd < 0 || fd == log_fd) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, PATHS - 1);
  if (n <= 0 || path[0] != '/') return 0;
  path[n] = 0;
  return below(path);
}

/* The absolute form of a name, without resolving links: our directories have none. */
static int full(int dir, const char *name, char *path) {
  if (!watched_bytes || inside) return 0;
  if (name[0] == '/') snprintf(path, PATHS, "%s", name);
  else {
    char base[PATHS];
    if (dir == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else {
      char link[64];
      snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
      ssize_t n = readlink(link, base, sizeof base - 1);
      if (n <= 0) return 0;
      base[n] = 0;
    }
    if (snprintf(path, PATHS, "%s/%s", base, name) >= PATHS) return 0;
  }
  char *proc = strstr(path, "/proc/self/fd/");
  if (proc == path) { /* /proc/self/fd/N/name */
    char *rest = strchr(path + 14, '/'), base[PATHS], joined[PATHS];
    if (!rest) return 0;
    *rest = 0;
    ssize_t n = readlink(path, base, sizeof base - 1);
    if (n <= 0) return 0;
    base[n] = 0;
    if (snprintf(joined, PATHS, "%s/%s", base, rest + 1) >= PATHS) return 0;
    memcpy(path, joined, strlen(joined) + 1);
  }
  return below(path);
}

/* --- the log ------------------------------------------------------------------------------------------------- */
static void note(int op, int fault, long result, unsigned number, const char *path, const char *second, off_t offset,
                 const void *data, size_t bytes) {
  if (log_fd < 0) return;
  size_t one = strlen(path), two = second ? strlen(second) + 1 : 0, kept = with_data ? bytes : 0;
  struct entry e = {MAGIC, (uint8_t)op, (uint8_t)fault, kept > 0, 0, (uint32_t)(one + two), (int32_t)result, number,
                    (uint64_t)offset, (uint32_t)bytes};
  char *all = malloc(sizeof e + one + two + kept);
  if (!all) abort();
  char *at = all;
  memcpy(at, &e, sizeof e); at += sizeof e;
  memcpy(at, path, one); at += one;
  if (two) { *at++ = 0; memcpy(at, second, two - 1); at += two - 1; }
  if (kept) { memcpy(at, data, kept); at += kept; }
  size_t size = (size_t)(at - all);
  if (real_write(log_fd, all, size) != (ssize_t)size) abort(); /* an incomplete log proves nothing */
  free(all);
}

static unsigned begin(int op, const char *path) {
  unsigned number = (unsigned)__sync_add_and_fetch(&count, 1);
  if (callback) { inside++; callback(number, op, path); inside--; }
  return number;
}

/* The first call from the number `at` on that this fault can happen to, and no other. */
static int fault_for(unsigned number, int op, const char *path) {
  if (!fault_kind || fired || number < fault_at) return NONE;
  int write = op == WRITE, sync = op == FSYNC || op == FDATASYNC;
  if ((fault_kind == TORN || fault_kind == SHORT) && !write) return NONE;
  if (fault_kind == LOST && !sync) return NONE;
  if (!strstr(path + watched_bytes, fault_part)) return NONE;
  return __sync_bool_compare_and_swap(&fired, 0, 1) ? fault_kind : NONE;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* --- what a failed sync takes with it -------------------------------------------------------------------------- */
static void remember(int fd, off_t offset, size_t bytes) {
  if (fault_kind != LOST) return;
  struct stat st;
  struct undo *u = malloc(sizeof *u);
  if (!u || fstat(fd, &st)) abort();
  u->inode = st.st_ino; u->offset = offset; u->length = bytes;
  u->old = calloc(1, bytes ? bytes : 1);
  int again = fd;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  inside++;
  again = real_openat64(AT_FDCWD, link, O_RDONLY);
  inside--;
  ssize_t had = again >= 0 ? pread64(again, u->old, bytes, offset) : 0;
  if (again >= 0) close(again);
  u->had = had > 0 ? (size_t)had : 0;
  u->next = undos;
  undos = u;
}

static void settle(int fd, int lost) {
  if (fault_kind != LOST) return;
  struct stat st;
  if (fstat(fd, &st)) return;
  for (struct undo **at = &undos; *at;) {
    struct undo *u = *at;
    if (u->inode != st.st_ino) { at = &u->next; continue; }
    if (lost && real_pwrite64(fd, u->old, u->length, u->offset) < 0) abort(); /* the newest write is undone first */
    *at = u->next;
    free(u->old);
    free(u);
  }
}

/* --- writes ---------------------------------------------------------------------------------------------------- */
static ssize_t some(int fd, const void *data, size_t bytes, off_t at) {
  return at < 0 ? real_write(fd, data, bytes) : real_pwrite64(fd, data, bytes, at);
}

static ssize_t put(int fd, const char *path, const void *data, size_t bytes, off_t at) {
  unsigned number = begin(WRITE, path);
  int fault = fault_for(number, WRITE, path);
  if (fault == KILL) { note(WRITE, fault, 0, number, path, 0, at, 0, 0); die(); }
  if (fault == EIO_ || fault == ENOSPC_) {
    note(WRITE, fault, -1, number, path, 0, at, 0, 0);
    errno = fault == EIO_ ? EIO : ENOSPC;
    return -1;
  }
  if ((fault == TORN || fault == SHORT) && bytes > 1) bytes /= 2;
  pthread_mutex_lock(&lock);
  off_t where = at;
  if (at < 0) {
    struct stat st;
    where = fcntl(fd, F_GETFL) & O_APPEND ? (fstat(fd, &st) ? 0 : st.st_size) : lseek64(fd, 0, SEEK_CUR);
  }
  remember(fd, where, bytes);
  ssize_t done = some(fd, data, bytes, at);
  int error = errno;
  note(WRITE, fault, done, number, path, 0, where, data, done > 0 ? (size_t)done : 0);
  pthread_mutex_unlock(&lock);
  if (fault == TORN) die();
  errno = error;
  return done;
}

ssize_t write(int fd, const void *data, size_t bytes) {
  char path[PATHS];
  return path_of(fd, path) ? put(fd, path, data, bytes, -1) : real_write(fd, data, bytes);
}
ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t at) {
  char path[PATHS];
  return path_of(fd, path) ? put(fd, path, data, bytes, at) : real_pwrite64(fd, data, bytes, at);
}
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return pwrite64(fd, data, bytes, at); }

static ssize_t gathered(int fd, const struct iovec *parts, int n, off_t at) {
  size_t bytes = 0;
  for (int i = 0; i < n; i++) bytes += parts[i].iov_len;
  char *all = malloc(bytes + 1), *to = all, path[PATHS];
  if (!all) { errno = ENOMEM; return -1; }
  for (int i = 0; i < n; i++) { memcpy(to, parts[i].iov_base, parts[i].iov_len); to += parts[i].iov_len; }
  ssize_t done = path_of(fd, path) ? put(fd, path, all, bytes, at) : some(fd, all, bytes, at);
  free(all);
  return done;
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off_t at) { return gathered(fd, parts, n, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) { return gathered(fd, parts, n, at); }
ssize_t pwritev64v2(int fd, const struct iovec *parts, int n, off_t at, int flags) {
  if (flags) { errno = EOPNOTSUPP; return -1; }
  return gathered(fd, parts, n, at);
}
ssize_t pwritev2(int fd, const struct iovec *parts, int n, off_t at, int flags) {
  return pwritev64v2(fd, parts, n, at, flags);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
  static ssize_t (*real)(int, const struct iovec *, int);
  char path[PATHS];
  if (path_of(fd, path)) return gathered(fd, parts, n, -1);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "writev");
  return real(fd, parts, n); /* sockets: a gathered copy would cost, and may be cut */
}

/* --- one-step calls: fault, the call under the lock, the log ------------------------------------------------------ */
#define STEP(op, path, second, offset, bytes, call) \
  unsigned number = begin(op, path); \
  int fault = fault_for(number, op, path); \
  if (fault) note(op, fault, -1, number, path, second, offset, 0, bytes); \
  if (fault == KILL) die(); \
  if (fault) { errno = fault == ENOSPC_ ? ENOSPC : EIO; return -1; } \
  pthread_mutex_lock(&lock); \
  long done = call; \
  int error = errno; \
  if (!with_data || done >= 0) note(op, NONE, done, number, path, second, offset, 0, bytes); \
  pthread_mutex_unlock(&lock); \
  errno = error;

int ftruncate64(int fd, off_t size) {
  char path[PATHS];
  if (!path_of(fd, path)) return real_ftruncate64(fd, size);
  STEP(TRUNCATE, path, 0, size, 0, real_ftruncate64(fd, size))
  return (int)done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int allocated(int fd, int mode, off_t at, off_t bytes) {
  char path[PATHS];
  if (!path_of(fd, path)) return real_fallocate64(fd, mode, at, bytes);
  STEP(ALLOCATE, path, 0, at + bytes, 0, real_fallocate64(fd, mode, at, bytes))
  return (int)done;
}
int fallocate64(int fd, int mode, off_t at, off_t bytes) { return allocated(fd, mode, at, bytes); }
int fallocate(int fd, int mode, off_t at, off_t bytes) { return allocated(fd, mode, at, bytes); }
static int posix_allocated(int fd, off_t at, off_t bytes) {
  char path[PATHS];
  if (!path_of(fd, path)) return real_posix_fallocate64(fd, at, bytes);
  return allocated(fd, 0, at, bytes) < 0 ? errno : 0; /* this one returns its error */
}
int posix_fallocate64(int fd, off_t at, off_t bytes) { return posix_allocated(fd, at, bytes); }
int posix_fallocate(int fd, off_t at, off_t bytes) { return posix_allocated(fd, at, bytes); }

static int renamed(int from, const char *a, int to, const char *b) {
  char one[PATHS], two[PATHS];
  if (!full(from, a, one) || !full(to, b, two)) return real_renameat(from, a, to, b);
  STEP(RENAME, one, two, 0, 0, real_renameat(from, a, to, b))
  return (int)done;
}
int rename(const char *a, const char *b) { return renamed(AT_FDCWD, a, AT_FDCWD, b); }
int renameat(int from, const char *a, int to, const char *b) { return renamed(from, a, to, b); }

int linkat(int from, const char *a, int to, const char *b, int flags) {
  char one[PATHS], two[PATHS];
  if (!full(from, a, one) || !full(to, b, two)) return real_linkat(from, a, to, b, flags);
  STEP(LINK, one, two, 0, 0, real_linkat(from, a, to, b, flags))
  return (int)done;
}
int link(const char *a, const char *b) { return linkat(AT_FDCWD, a, AT_FDCWD, b, 0); }

int unlinkat(int dir, const char *name, int flags) {
  char path[PATHS];
  if (!full(dir, name, path)) return real_unlinkat(dir, name, flags);
  int op = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
  STEP(op, path, 0, 0, 0, real_unlinkat(dir, name, flags))
  return (int)done;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int dir, const char *name, mode_t mode) {
  char path[PATHS];
  if (!full(dir, name, path)) return real_mkdirat(dir, name, mode);
  STEP(MKDIR, path, 0, 0, 0, real_mkdirat(dir, name, mode))
  return (int)done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

static int opened(int dir, const char *name, int flags, mode_t mode) {
  char path[PATHS];
  struct stat st;
  if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !full(dir, name, path))
    return real_openat64(dir, name, flags, mode);
  int there = !fstatat(dir, name, &st, 0);
  if (there && !(flags & O_TRUNC)) return real_openat64(dir, name, flags, mode);
  STEP(there ? TRUNCATE : CREATE, path, 0, 0, 0, real_openat64(dir, name, flags, mode))
  return (int)done;
}
#define OPENS(name, dir) \
  mode_t mode = 0; \
  if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
  return opened(dir, name, flags, mode);
int open(const char *name, int flags, ...) { OPENS(name, AT_FDCWD) }
int open64(const char *name, int flags, ...) { OPENS(name, AT_FDCWD) }
int openat(int dir, const char *name, int flags, ...) { OPENS(name, dir) }
int openat64(int dir, const char *name, int flags, ...) { OPENS(name, dir) }

/* --- syncs -------------------------------------------------------------------------------------------------------- */
static int synced(int fd, int op, int (*real)(int)) {
  char path[PATHS];
  if (!path_of(fd, path)) return real(fd);
  struct stat st;
  if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) op = SYNCDIR;
  unsigned number = begin(op, path);
  int fault = fault_for(number, op, path);
  pthread_mutex_lock(&lock);
  note(op, fault, fault ? -1 : 0, number, path, 0, 0, 0, 0);
  if (fault == LOST) settle(fd, 1);
  pthread_mutex_unlock(&lock);
  if (fault == KILL) die();
  if (fault) { errno = fault == ENOSPC_ ? ENOSPC : EIO; return -1; }
  int done = real(fd), error = errno;
  pthread_mutex_lock(&lock);
  if (!done) settle(fd, 0);
  note(SYNCED, NONE, done, number, path, 0, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}
int fsync(int fd) { return synced(fd, FSYNC, real_fsync); }
int fdatasync(int fd) { return synced(fd, FDATASYNC, real_fdatasync); }

/* --- control -------------------------------------------------------------------------------------------------------- */
void shim_watch(const char *directory, const char *log, int data) {
  snprintf(watched, sizeof watched, "%s", directory);
  count = 0;
  with_data = data;
  if (log_fd >= 0) close(log_fd);
  log_fd = -1;
  watched_bytes = 0;
  if (*log) {
    int fd = real_openat64(AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (log_fd < 0) abort();
    close(fd);
  }
  watched_bytes = strlen(watched);
}
void shim_arm(unsigned long at, int kind, const char *part) {
  fault_at = at;
  fault_kind = kind;
  fired = 0;
  snprintf(fault_part, sizeof fault_part, "%s", part);
}
unsigned long shim_count(void) { return count; }
void shim_tell(told function) { callback = function; }
void shim_mark(const char *text) {
  pthread_mutex_lock(&lock);
  note(MARK, NONE, 0, 0, text, 0, 0, 0, 0);
  pthread_mutex_unlock(&lock);
}

__attribute__((constructor(65535))) static void from_environment(void) {
  const char *directory = getenv("SHIM_WATCH"), *log = getenv("SHIM_LOG"), *at = getenv("SHIM_AT");
  if (!directory) return;
  const char *kind = getenv("SHIM_FAULT");
  shim_arm(at ? strtoul(at, 0, 10) : 0, kind ? atoi(kind) : NONE, "");
  shim_watch(directory, log ? log : "", 0);
  unsetenv("SHIM_WATCH"); /* worker processes have other work */
}
