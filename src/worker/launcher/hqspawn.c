/*
 * hqspawn: starts the tasks of one worker. A tiny process makes children much faster than a big one, and it can do what Node cannot:
 * parent-death signal, resource use of each task, reaping of orphans. Started by nativeLauncher.ts; the frames are described in launcherFrames.ts.
 *
 * usage: hqspawn DIRECTORY         requests on stdin, answers on stdout; DIRECTORY is node-local and takes captured output
 *        hqspawn --is-locked FILE  for a starting server: does another process see the lock of its database? exit code 75: yes, 76: no
 *
 * One loop, one thread, no waiting but in ppoll. Files are opened by the child, so that a slow file system delays that task alone; what goes
 * wrong there is left in memory shared with the parent, which finds it when the child has ended. When the requests end, the worker is gone:
 * every task is interrupted and, a second later, killed, as when a worker stops in order; those that must not notice are killed at once.
 *
 * Tasks may wait here for the end of others of their group: what a running task holds (its lane: variables and CPUs) goes to the next one at
 * once, and the worker, which would need longer for its answer than a short task runs, hears of many at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL 3
#define MAX_TASKS 16384                 /* at a time; more is answered with EAGAIN */
#define ENVIRONMENTS 16                 /* shared environments kept; nativeLauncher.ts reuses the numbers */
#define MAX_CPUS 8192
#define MAX_FRAME (256u * 1024 * 1024)  /* longer than any task that fits a frame of the server: what is longer is garbage */
#define READ_BYTES (64u * 1024)
#define KEEP_BYTES (1024u * 1024)       /* a buffer that has grown beyond this is given back: fork copies its page tables */
#define ANSWERS_LIMIT (1024u * 1024)    /* with so much unread the worker is behind: no more requests are read, no children reaped */
#define INLINE_BYTES (32u * 1024)       /* captured output up to this travels with the answer, more is read from the file */
#define STARTED_DELAY_MS 20             /* nobody waits for "started": it goes with the next end, or after this */
#define ENDED_DELAY_MS 5                /* while enough others wait here, ends are gathered so long */
#define STACK_BYTES (64u * 1024)        /* of a child until it is the program; what it needs is a path and a few frames */
#define OOM_SCORE "500"                 /* when memory runs out the kernel takes a task first: the largest, which is never this process */
#define GRACE_MS 1000                   /* between interrupt and kill when the worker is gone */
#define GIVE_UP_MS 2000                 /* a killed process in an uninterruptible wait is not waited for any longer */
#define DRAIN_POLL_MS 10
#define DIES_UNNOTICED 256u             /* added to the first output: no interrupt when the worker is gone */
#define SPARE_FILES 256                 /* files for captured output that are kept to be used again: to make one costs as much as a fork */

enum output { OUT_NULL, OUT_FILE, OUT_CAPTURE, OUT_SAME };
enum step { NONE, STDIN, MAKE_CWD, ENTER_CWD, MAKE_STDOUT_DIR, OPEN_STDOUT, MAKE_STDERR_DIR, OPEN_STDERR, AFFINITY, EXEC, START, CAPTURE, ENTER_GROUP };
enum state { FREE, RUNNING, DRAINING /* main process reaped, its group not gone */, KEPT /* ended, the worker may still read its captured output */ };

struct buffer { char *data; size_t start, end, capacity; };
/* Stays while launches that name it wait or run. */
struct environment { uint32_t users, count; char *block, *vars[]; };
struct failure { int32_t step, error, inherited /* the files of the parent, not of its own */; };

/* What one task hands over to the next of its group. Text and CPUs stand behind the pointers, in the same block. */
struct lane { uint32_t nvars, ncpus; const char *cpus, *vars[]; };

struct launch {
  uint32_t id, environment, group, nargs, nvars, nlane, ncpus, stdin_bytes, out[2];
  bool dies_unnoticed;
  char *args, *vars, *lane, *cwd, *control_group /* its cgroup.procs; empty: stays in that of this process */, *path[2];
  const char *cpus, *stdin_data;
};

/* A launch that waits for a lane. The frame stands behind it. */
struct waiting { struct waiting *next; struct environment *environment; size_t bytes; uint32_t id, group; char frame[]; };

struct task {
  enum state state;
  uint32_t id, group;
  pid_t pid;
  int capture[2], status;
  struct rusage usage;
  struct lane *lane;
  struct environment *environment;
  int64_t give_up_ms, started_us, wall_us;
  /* For the child, which shares this memory until it is the program: nothing of it changes before the task has ended. */
  struct launch launch;
  char *frame, **pointers, *stack;
  size_t pointers_capacity;
};
struct cursor { char *at, *end; };

static struct buffer in, out;
static struct task tasks[MAX_TASKS];
static uint32_t slots;                  /* all tasks[] from here on are free */
static struct failure *failures;        /* by slot, shared with the children */
static struct environment *environments[ENVIRONMENTS];
static struct waiting *first_waiting, **last_waiting = &first_waiting;
static const char *directory;
static bool named_captures;             /* the file system has no files without a name */
static int spare[SPARE_FILES], spares;
static int requests = -1, answers = -1, null_fd = -1;
static pid_t self;
static int64_t flush_at_ms = INT64_MAX; /* when the waiting answers must go */
static int64_t kill_at_ms;              /* set once the worker is gone */
static bool killed;

/* Never called by a child. Whole groups are killed, because the parent-death signal reaches only their main processes. */
static _Noreturn void die(const char *what, int error) {
  for (uint32_t i = 0; i < slots; i++)
    if (tasks[i].state == RUNNING) kill(-tasks[i].pid, SIGKILL);
  dprintf(STDERR_FILENO, "hqspawn: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
  exit(1);
}

static int64_t now_us(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void) { return now_us(CLOCK_MONOTONIC) / 1000; }

/* ---- buffers ---- */

static void *resize(void *block, size_t bytes) {
  void *resized = realloc(block, bytes);
  if (resized == NULL) die("no memory", errno);
  return resized;
}

/* Makes room for so many bytes behind the end. */
static void reserve(struct buffer *b, size_t bytes) {
  if (b->start > 0) {
    if (b->end > b->start) memmove(b->data, b->data + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
  }
  if (b->capacity - b->end >= bytes) return;
  b->capacity = b->end + bytes;
  b->data = resize(b->data, b->capacity);
}

static void emptied(struct buffer *b) {
  b->start = b->end = 0;
  if (b->capacity <= KEEP_BYTES) return;
  free(b->data);
  b->data = NULL;
  b->capacity = 0;
}

static void put(const void *data, size_t bytes) {
  memcpy(out.data + out.end, data, bytes);
  out.end += bytes;
}

static void put32(uint32_t value) { put(&value, sizeof value); }
static void put64(uint64_t value) { put(&value, sizeof value); }

/* Begins an answer: room for all of it, its length and its kind. */
static void begin_answer(char kind, size_t bytes, int64_t latest_ms) {
  if (out.capacity - out.end < bytes + 5) reserve(&out, bytes + 5 > READ_BYTES ? bytes + 5 : READ_BYTES);
  put32((uint32_t)bytes + 1);
  put(&kind, 1);
  if (latest_ms < flush_at_ms) flush_at_ms = latest_ms;
}

static void flush_answers(void) {
  while (out.start < out.end) {
    ssize_t n = write(answers, out.data + out.start, out.end - out.start);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break; /* nobody listens any more; the requests end, too */
    out.start += (size_t)n;
  }
  emptied(&out);
  flush_at_ms = INT64_MAX;
}

/* ---- requests ---- */

static uint32_t take32(struct cursor *c) {
  uint32_t value;
  if ((size_t)(c->end - c->at) < sizeof value) die("bad request", 0);
  memcpy(&value, c->at, sizeof value);
  c->at += sizeof value;
  return value;
}

static char *take_bytes(struct cursor *c, size_t bytes) {
  char *taken = c->at;
  if ((size_t)(c->end - c->at) < bytes) die("bad request", 0);
  c->at += bytes;
  return taken;
}

static char *take_string(struct cursor *c) {
  char *text = c->at, *end = memchr(c->at, 0, (size_t)(c->end - c->at));
  if (end == NULL) die("bad request", 0);
  c->at = end + 1;
  return text;
}

static struct environment *use_environment(struct environment *e) {
  if (e == NULL) die("bad request", 0);
  e->users++;
  return e;
}

static void unuse_environment(struct environment *e) {
  if (e == NULL || --e->users > 0) return;
  free(e->block);
  free(e);
}

static void set_environment(struct cursor c) {
  uint32_t number = take32(&c), count = take32(&c);
  size_t bytes = (size_t)(c.end - c.at);
  if (number >= ENVIRONMENTS || count > bytes) die("bad request", 0);
  struct environment *e = resize(NULL, sizeof *e + (size_t)count * sizeof e->vars[0]);
  *e = (struct environment){1, count, resize(NULL, bytes + 1)};
  if (bytes > 0) memcpy(e->block, c.at, bytes);
  struct cursor copy = {e->block, e->block + bytes};
  for (uint32_t i = 0; i < count; i++) e->vars[i] = take_string(&copy);
  unuse_environment(environments[number]);
  environments[number] = e;
}

static bool same_name(const char *a, const char *b) {
  for (; *a == *b; a++, b++)
    if (*a == '=' || *a == 0) return true;
  return false;
}

static char *skip_strings(struct cursor *c, uint32_t count) {
  char *first = c->at;
  for (uint32_t i = 0; i < count; i++) take_string(c);
  return first;
}

/* The pointers go into the frame. */
static struct launch parse_launch(struct cursor c) {
  struct launch l = {.id = take32(&c), .environment = take32(&c), .group = take32(&c), .nargs = take32(&c)};
  l.nvars = take32(&c);
  l.nlane = take32(&c);
  l.ncpus = take32(&c);
  l.stdin_bytes = take32(&c); /* UINT32_MAX: no input */
  l.out[0] = take32(&c);
  l.dies_unnoticed = (l.out[0] & DIES_UNNOTICED) != 0;
  l.out[0] &= ~DIES_UNNOTICED;
  l.out[1] = take32(&c);
  if (l.environment >= ENVIRONMENTS || l.nargs == 0) die("bad request", 0);
  l.args = skip_strings(&c, l.nargs);
  l.vars = skip_strings(&c, l.nvars);
  l.lane = skip_strings(&c, l.nlane);
  l.cwd = take_string(&c);
  l.control_group = take_string(&c);
  for (int i = 0; i < 2; i++) l.path[i] = l.out[i] == OUT_FILE ? take_string(&c) : NULL;
  l.cpus = take_bytes(&c, (size_t)l.ncpus * 4);
  if (l.stdin_bytes != UINT32_MAX) l.stdin_data = take_bytes(&c, l.stdin_bytes);
  return l;
}

static struct lane *make_lane(const struct launch *l) {
  const size_t pointers = sizeof(struct lane) + l->nlane * sizeof(char *), cpus = (size_t)l->ncpus * 4;
  const size_t text = (size_t)(l->cwd - l->lane);
  struct lane *lane = resize(NULL, pointers + cpus + text);
  char *at = (char *)lane + pointers;
  lane->nvars = l->nlane;
  lane->ncpus = l->ncpus;
  lane->cpus = memcpy(at, l->cpus, cpus);
  at = memcpy(at + cpus, l->lane, text);
  for (uint32_t i = 0; i < l->nlane; i++, at += strlen(at) + 1) lane->vars[i] = at;
  return lane;
}

static bool is_named(const char *var, char *const *vars, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (same_name(var, vars[i])) return true;
  return false;
}

/* argv and envp: the task's own variables win over those of its lane, and these over the shared ones. */
static void fill_pointers(struct task *t) {
  const struct launch *l = &t->launch;
  const struct environment *base = t->environment;
  const size_t wanted = 1 + (size_t)l->nargs + 1 + l->nvars + t->lane->nvars + base->count + 1;
  if (wanted > t->pointers_capacity) {
    t->pointers = resize(t->pointers, wanted * sizeof *t->pointers);
    t->pointers_capacity = wanted;
  }
  char **next = t->pointers + 1, *at = l->args;
  for (uint32_t i = 0; i < l->nargs; i++, at += strlen(at) + 1) *next++ = at;
  *next++ = NULL;
  char **const env = next;
  at = l->vars;
  for (uint32_t i = 0; i < l->nvars; i++, at += strlen(at) + 1) *next++ = at;
  size_t named = (size_t)(next - env);
  for (uint32_t i = 0; i < t->lane->nvars; i++)
    if (!is_named(t->lane->vars[i], env, named)) *next++ = (char *)t->lane->vars[i];
  named = (size_t)(next - env);
  for (uint32_t i = 0; i < base->count; i++)
    if (!is_named(base->vars[i], env, named)) *next++ = base->vars[i];
  *next = NULL;
}

/* ---- the child ---- */

/*
 * Where the machine is known the child shares the memory of this process until it becomes the program: nothing is copied for it, and this
 * process goes on meanwhile, other than after vfork. So it must not touch what the C library keeps, errno above all; it asks the kernel itself.
 * Elsewhere, and under the sanitizers, which need memory of their own, it is forked.
 */
#if (defined __x86_64__ || defined __aarch64__) && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define SHARES_MEMORY 1
#else
#define SHARES_MEMORY 0
#endif

/* @returns the result, or the negative error */
static long ask(long number, long a, long b, long c, long d) {
#if SHARES_MEMORY && defined __x86_64__
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
#elif SHARES_MEMORY
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#else
  long result = syscall(number, a, b, c, d);
  return result < 0 ? -errno : result;
#endif
}

static _Noreturn void leave(void) {
  for (;;) ask(SYS_exit_group, 127, 0, 0, 0);
}

static _Noreturn void fail(struct failure *failure, enum step step, long result) {
  failure->error = (int32_t)-result;
  failure->step = (int32_t)step;
  leave();
}

static long make_directory(const char *path) { return ask(SYS_mkdirat, AT_FDCWD, (long)path, 0777, 0); }
static long enter(const char *path) { return ask(SYS_chdir, (long)path, 0, 0, 0); }

static bool is_hopeless(long result) {
  return result == -ENOENT || result == -ENOTDIR || result == -ELOOP || result == -ENAMETOOLONG || result == -ENOSPC || result == -EDQUOT;
}

/* Makes a directory and those above it. The text is changed on the way and is as before at the end. */
static long make_directories(char *path) {
  long result = make_directory(path);
  for (char *slash = result == -ENOENT ? strchr(path + 1, '/') : NULL; slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    result = make_directory(path);
    *slash = '/';
    /* One that may not be made may be there already: the last one shows it. */
    if (is_hopeless(result)) return result;
    result = -ENOENT;
  }
  if (result == -ENOENT) result = make_directory(path);
  if (result != -EEXIST) return result;
  return ask(SYS_openat, AT_FDCWD, (long)path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0) < 0 ? -EEXIST : 0;
}

/* Nobody reading from a named pipe must not stop the task for ever, hence not blocking; for files it changes nothing. */
static int open_output(char *path, struct failure *failure, enum step make, enum step open_step) {
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC;
  long fd = ask(SYS_openat, AT_FDCWD, (long)path, flags, 0666);
  char *slash = strrchr(path, '/');
  if ((fd == -ENOENT || fd == -ENOTDIR) && slash != NULL && slash != path) {
    *slash = 0;
    const long made = make_directories(path);
    *slash = '/';
    if (made < 0) fail(failure, make, made);
    fd = ask(SYS_openat, AT_FDCWD, (long)path, flags, 0666);
  }
  if (fd < 0) fail(failure, open_step, fd);
  return (int)fd;
}

/* Memory as a file: nothing has to be fed while the task runs, and nothing is left when it does not read. */
static int stdin_file(const struct launch *l, struct failure *failure) {
  const long fd = ask(SYS_memfd_create, (long)"stdin", MFD_CLOEXEC, 0, 0);
  if (fd < 0) fail(failure, STDIN, fd);
  for (size_t done = 0; done < l->stdin_bytes;) {
    const long n = ask(SYS_write, fd, (long)(l->stdin_data + done), (long)(l->stdin_bytes - done), 0);
    if (n < 0 && n != -EINTR) fail(failure, STDIN, n);
    if (n > 0) done += (size_t)n;
  }
  const long sought = ask(SYS_lseek, fd, 0, SEEK_SET, 0);
  if (sought < 0) fail(failure, STDIN, sought);
  return (int)fd;
}

static void set_affinity(const struct lane *lane, struct failure *failure) {
  unsigned long bits[MAX_CPUS / CHAR_BIT / sizeof(unsigned long)] = {0};
  for (uint32_t i = 0; i < lane->ncpus; i++) {
    uint32_t cpu;
    memcpy(&cpu, lane->cpus + 4 * (size_t)i, sizeof cpu);
    if (cpu < MAX_CPUS) CPU_SET_S(cpu, sizeof bits, (cpu_set_t *)bits);
  }
  const long result = ask(SYS_sched_setaffinity, 0, sizeof bits, (long)bits, 0);
  if (result < 0) fail(failure, AFFINITY, result);
}

/* A script without "#!" is for the shell, as with execvp; there is room for one more argument before argv. @returns the negative error */
static long execute(const char *path, char **argv, char **envp) {
  const long result = ask(SYS_execve, (long)path, (long)argv, (long)envp, 0);
  if (result != -ENOEXEC) return result;
  argv[-1] = (char *)"/bin/sh";
  argv[0] = (char *)path;
  return ask(SYS_execve, (long)argv[-1], (long)(argv - 1), (long)envp, 0);
}

/* Looks the program up in PATH of the task. @returns the negative error */
static long execute_found(char **argv, char **envp) {
  const char *name = argv[0], *dirs = "/bin:/usr/bin";
  const size_t length = strlen(name);
  if (strchr(name, '/') != NULL) return execute(name, argv, envp);
  for (char **var = envp; *var != NULL; var++)
    if (strncmp(*var, "PATH=", 5) == 0) dirs = *var + 5;
  if (length == 0 || length > NAME_MAX) return length == 0 ? -ENOENT : -ENAMETOOLONG;
  long refused = -ENOENT;
  for (const char *dir = dirs;; dir++) {
    const char *end = strchrnul(dir, ':');
    char path[PATH_MAX + NAME_MAX + 2], *at = path;
    if ((size_t)(end - dir) < PATH_MAX) {
      at = mempcpy(at, dir, (size_t)(end - dir));
      if (at > path) *at++ = '/';
      memcpy(at, name, length + 1);
      const long result = execute(path, argv, envp);
      if (result == -EACCES) refused = -EACCES;
      else if (result != -ENOENT && result != -ENOTDIR && result != -ENODEV && result != -ESTALE && result != -ETIMEDOUT) return result;
    }
    if (*end == 0) return refused;
    dir = end;
  }
}

/*
 * Memory that a task gets counts in the group where it is then: so it goes there before it is the program, and before it has children. 0 is the
 * process that writes (Linux, admin-guide/cgroup-v2, "Core Interface Files"; version 1 reads it so, too).
 */
static void enter_group(const char *procs, struct failure *failure) {
  long result = ask(SYS_openat, AT_FDCWD, (long)procs, O_WRONLY | O_CLOEXEC, 0);
  if (result >= 0) result = ask(SYS_write, result, (long)"0", 1, 0);
  if (result < 0) fail(failure, ENTER_GROUP, result);
}

/* Opened for itself, so that the parent can see whether somebody still has it open once the task has ended. */
static int open_capture_again(int fd, struct failure *failure) {
  char path[32] = "/proc/self/fd/", digits[12];
  size_t length = strlen(path), count = 0;
  for (int rest = fd; rest > 0 || count == 0; rest /= 10) digits[count++] = (char)('0' + rest % 10);
  while (count > 0) path[length++] = digits[--count];
  path[length] = 0;
  const long own = ask(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
  if (own >= 0) return (int)own;
  failure->inherited = 1;
  return fd;
}

static int run_child(void *argument) {
  static const enum step make[] = {MAKE_STDOUT_DIR, MAKE_STDERR_DIR}, open_step[] = {OPEN_STDOUT, OPEN_STDERR};
  struct task *t = argument;
  const struct launch *l = &t->launch;
  struct failure *failure = &failures[t - tasks];
  int fds[3] = {null_fd, null_fd, null_fd};
  long result = ask(SYS_setsid, 0, 0, 0, 0);
  if (result >= 0) result = ask(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
  if (result < 0) fail(failure, START, result);
  if (ask(SYS_getppid, 0, 0, 0, 0) != self) leave();
  if (l->control_group[0] != 0) enter_group(l->control_group, failure);
  if (l->stdin_data != NULL) fds[0] = stdin_file(l, failure);
  if ((result = enter(l->cwd)) < 0) {
    if (result != -ENOENT && result != -ENOTDIR) fail(failure, ENTER_CWD, result);
    if ((result = make_directories(l->cwd)) < 0) fail(failure, MAKE_CWD, result);
    if ((result = enter(l->cwd)) < 0) fail(failure, ENTER_CWD, result);
  }
  for (int i = 0; i < 2; i++) {
    if (l->out[i] == OUT_FILE) fds[i + 1] = open_output(l->path[i], failure, make[i], open_step[i]);
    else if (l->out[i] == OUT_CAPTURE) fds[i + 1] = open_capture_again(t->capture[i], failure);
    else if (l->out[i] == OUT_SAME) fds[i + 1] = fds[i];
  }
  if (t->lane->ncpus > 0) set_affinity(t->lane, failure);
  for (int i = 0; i < 3; i++)
    if ((result = ask(SYS_dup3, fds[i], i, 0, 0)) < 0) fail(failure, START, result);
  /* What was sent to the task so far takes effect here: until now everything was blocked. */
  const unsigned long none[NSIG / CHAR_BIT / sizeof(unsigned long) + 1] = {0};
  ask(SYS_rt_sigprocmask, SIG_SETMASK, (long)none, 0, (NSIG - 1) / CHAR_BIT);
  fail(failure, EXEC, execute_found(t->pointers + 1, t->pointers + 1 + l->nargs + 1));
}

/* From <linux/sched.h> of Linux 5.7, which may be newer than the headers here. */
#define INTO_GROUP 0x200000000ULL
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
struct clone3_arguments { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };

/*
 * Forks a child into a control group of version 2 (clone3(2), CLONE_INTO_CGROUP). To enter one later costs milliseconds, because the kernel waits
 * until no process is being made; compared with that a copy of this small process is cheap. @returns -1 where that is not possible: the child
 * then enters by itself.
 */
static pid_t make_child_in_group(struct task *t) {
  static bool impossible; /* older kernels, version 1, sandboxes */
  char *slash = strrchr(t->launch.control_group, '/');
  if (impossible || slash == NULL) return -1;
  *slash = 0;
  const int group = open(t->launch.control_group, O_PATH | O_DIRECTORY | O_CLOEXEC);
  *slash = '/';
  if (group < 0) return -1;
  struct clone3_arguments arguments = {.flags = INTO_GROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
  const pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) {
    t->launch.control_group = slash + strlen(slash); /* it is there: nothing to enter */
    run_child(t);
  }
  impossible = pid < 0 && (errno == ENOSYS || errno == EINVAL || errno == E2BIG || errno == EBADF || errno == EPERM);
  close(group);
  return pid;
}

/* @returns its process id, or -1 with errno */
static pid_t make_child(struct task *t) {
  if (t->launch.control_group[0] != 0) {
    const pid_t pid = make_child_in_group(t);
    if (pid > 0) return pid;
  }
#if SHARES_MEMORY
  if (t->stack == NULL) {
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -1;
    t->stack = stack;
  }
  return clone(run_child, t->stack + STACK_BYTES, CLONE_VM | SIGCHLD, t);
#else
  pid_t pid = fork();
  if (pid == 0) run_child(t);
  return pid;
#endif
}

/* ---- tasks ---- */

static int open_capture(void) {
  static uint32_t number;
  if (spares > 0) return spare[--spares];
  char path[PATH_MAX];
  int fd = named_captures ? -1 : open(directory, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
  if (!named_captures && (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))) return fd;
  named_captures = true;
  if ((size_t)snprintf(path, sizeof path, "%s/capture-%u", directory, number++) >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0) unlink(path);
  return fd;
}

/*
 * A file is used again when nobody has it open for writing any more: a process that a task has left behind must not write into the output of
 * another. The kernel grants a lease for writing only then.
 */
static void close_capture(const struct task *t, int fd) {
  const bool is_ours = t->state == KEPT && failures[t - tasks].inherited == 0 && spares < SPARE_FILES;
  if (is_ours && fcntl(fd, F_SETLEASE, F_WRLCK) == 0 && fcntl(fd, F_SETLEASE, F_UNLCK) == 0 && ftruncate(fd, 0) == 0) spare[spares++] = fd;
  else close(fd);
}

static void release(struct task *t) {
  for (int i = 0; i < 2; i++)
    if (t->capture[i] >= 0) close_capture(t, t->capture[i]);
  free(t->lane);
  t->lane = NULL;
  unuse_environment(t->environment);
  t->environment = NULL;
  t->state = FREE;
  while (slots > 0 && tasks[slots - 1].state == FREE) slots--;
}

/* The first that waits for a lane of this group, taken out of the queue; NULL for none. */
static struct waiting *take_waiting(uint32_t group) {
  for (struct waiting **link = &first_waiting; *link != NULL; link = &(*link)->next) {
    struct waiting *w = *link;
    if (w->group != group) continue;
    *link = w->next;
    if (w->next == NULL) last_waiting = link;
    return w;
  }
  return NULL;
}

static bool has_lane(uint32_t group) {
  for (uint32_t i = 0; i < slots; i++)
    if ((tasks[i].state == RUNNING || tasks[i].state == DRAINING) && tasks[i].group == group) return true;
  return false;
}

/* Enough waits for every lane of the group to go on without the worker for a while. */
static bool is_supplied(uint32_t group) {
  uint32_t lanes = 1;
  for (uint32_t i = 0; i < slots; i++) lanes += tasks[i].state == RUNNING && tasks[i].group == group;
  for (const struct waiting *w = first_waiting; w != NULL && lanes > 0; w = w->next) lanes -= w->group == group;
  return lanes == 0;
}

static void start(const char *frame, size_t bytes, struct environment *environment, struct lane *lane);

/* The task no longer needs its lane: the next of its group gets it, in this very moment. @returns that one, still to be started, or NULL */
static struct waiting *next_on_lane(const struct task *t) {
  return t->group == 0 || requests < 0 ? NULL : take_waiting(t->group);
}

static int64_t latest_answer_ms(const struct waiting *next) {
  return next != NULL && is_supplied(next->group) ? now_ms() + ENDED_DELAY_MS : 0;
}

static void start_waiting(struct waiting *next, struct lane *lane) {
  if (next == NULL) return;
  start(next->frame, next->bytes, next->environment, lane);
  unuse_environment(next->environment);
  free(next);
}

/* Ends a task that did not become its program. */
static void answer_failure(struct task *t, enum step step, int error) {
  struct waiting *next = next_on_lane(t);
  begin_answer('F', 16, latest_answer_ms(next));
  put32(t->id);
  put32((uint32_t)step);
  put32((uint32_t)error);
  put32(next == NULL ? 0 : next->id);
  struct lane *lane = t->lane;
  if (next != NULL) t->lane = NULL;
  release(t);
  start_waiting(next, lane);
}

static struct task *free_slot(void) {
  uint32_t slot = 0;
  while (slot < slots && tasks[slot].state != FREE) slot++;
  if (slot == MAX_TASKS) return NULL;
  if (slot == slots) slots++;
  return &tasks[slot];
}

/* What the child reads must stay as it is until the task has ended: the frame is copied. */
static void copy_frame(struct task *t, const char *frame, size_t bytes) {
  free(t->frame);
  t->frame = memcpy(resize(NULL, bytes), frame, bytes);
  t->launch = parse_launch((struct cursor){t->frame, t->frame + bytes});
}

/* environment: the one of its number when it came. lane: of the task before; NULL for one of its own. */
static void start(const char *frame, size_t bytes, struct environment *environment, struct lane *lane) {
  struct task *t = free_slot();
  if (t == NULL) {
    const struct launch l = parse_launch((struct cursor){(char *)frame, (char *)frame + bytes});
    begin_answer('F', 16, 0);
    put32(l.id);
    put32(START);
    put32(EAGAIN);
    put32(0);
    free(lane);
    return;
  }
  copy_frame(t, frame, bytes);
  const struct launch *l = &t->launch;
  t->state = RUNNING;
  t->id = l->id;
  t->group = l->group;
  t->capture[0] = t->capture[1] = -1;
  t->environment = use_environment(environment);
  t->lane = lane != NULL ? lane : make_lane(l);
  for (int i = 0; i < 2; i++)
    if (l->out[i] == OUT_CAPTURE && (t->capture[i] = open_capture()) < 0) return answer_failure(t, CAPTURE, errno);
  failures[t - tasks] = (struct failure){NONE, 0, 0};
  fill_pointers(t);
  t->started_us = now_us(CLOCK_REALTIME);
  t->wall_us = -now_us(CLOCK_MONOTONIC);
  t->pid = make_child(t);
  if (t->pid < 0) return answer_failure(t, START, errno);
  begin_answer('S', 24, now_ms() + STARTED_DELAY_MS);
  put32(t->id);
  put32((uint32_t)t->pid);
  put32((uint32_t)t->capture[0]);
  put32((uint32_t)t->capture[1]);
  put64((uint64_t)t->started_us);
}

static void start_new(const char *frame, size_t bytes) {
  const struct launch l = parse_launch((struct cursor){(char *)frame, (char *)frame + bytes});
  start(frame, bytes, environments[l.environment], NULL);
}

static void answer_returned(uint32_t id) {
  begin_answer('W', 4, 0);
  put32(id);
}

/* A launch behind those of its group; it goes back when there is none of them any more. */
static void queue_launch(const char *frame, size_t bytes) {
  const struct launch l = parse_launch((struct cursor){(char *)frame, (char *)frame + bytes});
  if (!has_lane(l.group)) return answer_returned(l.id);
  struct waiting *w = resize(NULL, sizeof *w + bytes);
  *w = (struct waiting){NULL, use_environment(environments[l.environment]), bytes, l.id, l.group};
  memcpy(w->frame, frame, bytes);
  *last_waiting = w;
  last_waiting = &w->next;
}

/* Without effect on what has started meanwhile: its start is on the way to the worker. */
static void withdraw(uint32_t id) {
  for (struct waiting **link = &first_waiting; *link != NULL; link = &(*link)->next) {
    struct waiting *w = *link;
    if (w->id != id) continue;
    *link = w->next;
    if (w->next == NULL) last_waiting = link;
    unuse_environment(w->environment);
    free(w);
    return answer_returned(id);
  }
}

static struct task *find(uint32_t id) {
  for (uint32_t i = 0; i < slots; i++)
    if (tasks[i].state != FREE && tasks[i].id == id) return &tasks[i];
  return NULL;
}

static void signal_task(const struct task *t, int signal) {
  /* Without a group of this name the child has not come to setsid yet; it takes the signal just before it becomes the program. */
  if (t->state == RUNNING && kill(-t->pid, signal) < 0 && errno == ESRCH) kill(t->pid, signal);
}

/* id, status, next on the lane (0: none), user and system us, peak kB, wall us; per channel the length (UINT32_MAX: read the file) and the bytes. */
static void answer_end(struct task *t) {
  uint32_t size[2] = {0, 0};
  size_t bytes = 52;
  for (int i = 0; i < 2; i++) {
    struct stat found;
    if (t->capture[i] < 0) continue;
    size[i] = fstat(t->capture[i], &found) == 0 && found.st_size <= INLINE_BYTES ? (uint32_t)found.st_size : UINT32_MAX;
    if (size[i] != UINT32_MAX) bytes += size[i];
  }
  struct waiting *next = next_on_lane(t);
  begin_answer('X', bytes, latest_answer_ms(next));
  put32(t->id);
  put32((uint32_t)t->status);
  put32(next == NULL ? 0 : next->id);
  put64((uint64_t)t->usage.ru_utime.tv_sec * 1000000 + (uint64_t)t->usage.ru_utime.tv_usec);
  put64((uint64_t)t->usage.ru_stime.tv_sec * 1000000 + (uint64_t)t->usage.ru_stime.tv_usec);
  put64((uint64_t)t->usage.ru_maxrss);
  put64((uint64_t)t->wall_us);
  for (int i = 0; i < 2; i++) put32(size[i]);
  for (int i = 0; i < 2; i++) {
    if (size[i] == 0 || size[i] == UINT32_MAX) continue;
    ssize_t n = pread(t->capture[i], out.data + out.end, size[i], 0);
    size_t got = n < 0 ? 0 : (size_t)n;
    /* A process that has left the group may have cut the file in between: the length stands already. */
    memset(out.data + out.end + got, 0, size[i] - got);
    out.end += size[i];
  }
  struct lane *lane = t->lane;
  if (next != NULL) t->lane = NULL;
  if (t->capture[0] >= 0 || t->capture[1] >= 0) t->state = KEPT;
  else release(t);
  start_waiting(next, lane);
}

static void main_process_ended(uint32_t slot) {
  struct task *t = &tasks[slot];
  /* Before its number can belong to somebody else. */
  kill(-t->pid, SIGKILL);
  if (wait4(t->pid, &t->status, 0, &t->usage) < 0) die("wait4", errno);
  t->wall_us += now_us(CLOCK_MONOTONIC);
  if (failures[slot].step != NONE) {
    answer_failure(t, (enum step)failures[slot].step, failures[slot].error);
  } else if (kill(-t->pid, 0) == 0) {
    t->state = DRAINING;
    t->give_up_ms = now_ms() + GIVE_UP_MS;
  } else answer_end(t);
}

/* Also orphans: they are handed to this process, which is why the end of a whole group can be seen. */
static void reap(void) {
  while (out.end - out.start < ANSWERS_LIMIT) {
    siginfo_t ended = {0};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || ended.si_pid == 0) return;
    uint32_t slot = 0;
    while (slot < slots && (tasks[slot].state != RUNNING || tasks[slot].pid != ended.si_pid)) slot++;
    if (slot < slots) main_process_ended(slot);
    else waitpid(ended.si_pid, NULL, 0);
  }
}

/* @returns how many are left */
static uint32_t check_draining(void) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < slots; i++) {
    if (tasks[i].state != DRAINING) continue;
    if (kill(-tasks[i].pid, 0) == 0 && now_ms() < tasks[i].give_up_ms) left++;
    else answer_end(&tasks[i]);
  }
  return left;
}

/* ---- the loop ---- */

static void handle(struct cursor c) {
  if (c.at == c.end) die("bad request", 0);
  switch (*c.at++) {
    case 'E':
      set_environment(c);
      return;
    case 'L':
      start_new(c.at, (size_t)(c.end - c.at));
      return;
    case 'Q':
      queue_launch(c.at, (size_t)(c.end - c.at));
      return;
    case 'W':
      withdraw(take32(&c));
      return;
    case 'K': {
      const struct task *t = find(take32(&c));
      int signal = (int)take32(&c);
      if (t != NULL) signal_task(t, signal);
      return;
    }
    case 'R': {
      struct task *t = find(take32(&c));
      if (t != NULL && t->state == KEPT) release(t);
      return;
    }
    default:
      die("unknown request", 0);
  }
}

static void interrupt_all(void) {
  for (uint32_t i = 0; i < slots; i++) signal_task(&tasks[i], tasks[i].launch.dies_unnoticed ? SIGKILL : SIGINT);
}

static void kill_all(void) {
  for (uint32_t i = 0; i < slots; i++) signal_task(&tasks[i], SIGKILL);
}

/* One read per turn, so that ends are reported while much comes in. */
static void read_requests(void) {
  static size_t wanted = READ_BYTES;
  reserve(&in, wanted);
  ssize_t n = read(requests, in.data + in.end, in.capacity - in.end);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {
    requests = -1;
    kill_at_ms = now_ms() + GRACE_MS;
    interrupt_all();
    return;
  }
  in.end += (size_t)n;
  wanted = READ_BYTES;
  while (in.end - in.start >= 4) {
    uint32_t bytes;
    memcpy(&bytes, in.data + in.start, sizeof bytes);
    if (bytes > MAX_FRAME) die("bad request", 0);
    size_t there = in.end - in.start - 4;
    if (there < bytes) {
      if (bytes - there > wanted) wanted = bytes - there;
      break;
    }
    char *body = in.data + in.start + 4;
    handle((struct cursor){body, body + bytes});
    in.start += 4 + (size_t)bytes;
  }
  if (in.start == in.end) emptied(&in);
}

/* The worker is gone. @returns true when nothing is left to be done */
static bool finish(uint32_t draining) {
  uint32_t running = draining;
  for (uint32_t i = 0; i < slots; i++) running += tasks[i].state == RUNNING;
  if (running == 0 || now_ms() > kill_at_ms + GIVE_UP_MS) return true;
  if (!killed && now_ms() >= kill_at_ms) {
    kill_all();
    killed = true;
  }
  return false;
}

static void on_child(int signal) { (void)signal; }

static void set_up(void) {
  self = getpid();
  requests = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
  answers = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (requests < 0 || answers < 0 || null_fd < 0) die("cannot set up", errno);
  if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0) die("cannot set up", errno);
  if (fcntl(requests, F_SETFL, O_NONBLOCK) < 0 || fcntl(answers, F_SETFL, O_NONBLOCK) < 0) die("cannot set up", errno);
  for (int fd = 3; fd < 1024; fd++)
    if (fd != requests && fd != answers && fd != null_fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("cannot set up", errno);
  int oom_score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom_score >= 0 && write(oom_score, OOM_SCORE, sizeof OOM_SCORE - 1) < 0) errno = 0; /* a sandbox may refuse: then all are equal */
  if (oom_score >= 0) close(oom_score);
  failures = mmap(NULL, MAX_TASKS * sizeof *failures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (failures == MAP_FAILED) die("no memory", errno);
  /* Everything is blocked for good: what is meant for the worker must not end its tasks, and a new child misses nothing. */
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
}

/* The bytes that SQLite locks, after its documentation of the file format ("the lock-byte page"): 512 from the first gigabyte on. */
static int is_locked(const char *file) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
  int fd = open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0) return 1;
  return lock.l_type == F_UNLCK ? 76 : 75;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--is-locked") == 0) return is_locked(argv[2]);
  if (argc != 2) die("usage: hqspawn DIRECTORY", 0);
  directory = argv[1];
  set_up();
  begin_answer('H', 4, 0);
  put32(PROTOCOL);
  flush_answers();
  sigset_t waiting;
  sigfillset(&waiting);
  sigdelset(&waiting, SIGCHLD);
  for (uint32_t draining = 0;;) {
    /* What is due and still here could not be written. */
    int64_t now = now_ms();
    bool waits = flush_at_ms != INT64_MAX, behind = waits && flush_at_ms <= now;
    int64_t timeout_ms = draining > 0 || requests < 0 ? DRAIN_POLL_MS : waits && !behind ? flush_at_ms - now : -1;
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    struct pollfd fds[] = {{out.end - out.start < ANSWERS_LIMIT ? requests : -1, POLLIN, 0}, {behind ? answers : -1, POLLOUT, 0}};
    if (ppoll(fds, 2, timeout_ms < 0 ? NULL : &timeout, &waiting) < 0 && errno != EINTR) die("ppoll", errno);
    if (fds[0].revents != 0) read_requests();
    reap();
    draining = check_draining();
    if (out.end > out.start && flush_at_ms <= now_ms()) flush_answers();
    if (requests < 0 && finish(draining)) return 0;
  }
}
