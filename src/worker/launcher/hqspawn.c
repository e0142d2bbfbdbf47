/*
 * hqspawn: starts the tasks of one worker. A tiny process forks much faster than a big one, and it can do what Node cannot: parent-death
 * signal, resource use of each task, reaping of orphans. Started by nativeLauncher.ts; the frames are described in launcherFrames.ts.
 *
 * usage: hqspawn DIRECTORY     requests on stdin, answers on stdout; DIRECTORY is node-local and takes captured output
 *
 * One loop, one thread, no waiting but in ppoll. Files are opened by the forked child, so that a slow file system delays that task alone; what
 * goes wrong there is left in memory shared with the parent, which finds it when the child has ended. When the requests end, the worker is
 * gone: every task is interrupted and, a second later, killed, as when a worker stops in order.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL 1
#define MAX_TASKS 16384                 /* at a time; more is answered with EAGAIN */
#define ENVIRONMENTS 16                 /* shared environments kept; nativeLauncher.ts reuses the numbers */
#define MAX_CPUS 8192
#define MAX_FRAME (256u * 1024 * 1024)  /* longer than any task that fits a frame of the server: what is longer is garbage */
#define READ_BYTES (64u * 1024)
#define KEEP_BYTES (1024u * 1024)       /* a buffer that has grown beyond this is given back: fork copies its page tables */
#define ANSWERS_LIMIT (1024u * 1024)    /* with so much unread the worker is behind: no more requests are read, no children reaped */
#define INLINE_BYTES (32u * 1024)       /* captured output up to this travels with the answer, more is read from the file */
#define STARTED_DELAY_MS 20             /* nobody waits for "started": it goes with the next end, or after this */
#define GRACE_MS 1000                   /* between interrupt and kill when the worker is gone */
#define GIVE_UP_MS 2000                 /* a killed process in an uninterruptible wait is not waited for any longer */
#define DRAIN_POLL_MS 10

enum output { OUT_NULL, OUT_FILE, OUT_CAPTURE, OUT_SAME };
enum step { NONE, STDIN, MAKE_CWD, ENTER_CWD, MAKE_STDOUT_DIR, OPEN_STDOUT, MAKE_STDERR_DIR, OPEN_STDERR, AFFINITY, EXEC, START, CAPTURE };
enum state { FREE, RUNNING, DRAINING /* main process reaped, its group not gone */, KEPT /* ended, captured output not read yet */ };

struct buffer { char *data; size_t start, end, capacity; };
struct environment { char *block, **vars; uint32_t count; };
struct failure { int32_t step, error; };
struct task {
  enum state state;
  uint32_t id;
  pid_t pid;
  int capture[2], status;
  struct rusage usage;
  int64_t give_up_ms;
};
struct launch {
  uint32_t id, environment, nargs, nvars, ncpus, stdin_bytes, out[2];
  char **argv, **envp, *cwd, *path[2];
  const char *cpus, *stdin_data;
};
struct cursor { char *at, *end; };

static struct buffer in, out;
static struct task tasks[MAX_TASKS];
static uint32_t slots;                  /* all tasks[] from here on are free */
static struct failure *failures;        /* by slot, shared with the children */
static struct environment environments[ENVIRONMENTS];
static char **pointers;                 /* argv and envp of the launch at hand */
static size_t pointers_capacity;
static const char *directory;
static bool named_captures;             /* the file system has no files without a name */
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

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

static void set_environment(struct cursor c) {
  uint32_t number = take32(&c), count = take32(&c);
  size_t bytes = (size_t)(c.end - c.at);
  if (number >= ENVIRONMENTS || count > bytes) die("bad request", 0);
  struct environment *e = &environments[number];
  e->block = resize(e->block, bytes + 1);
  e->vars = resize(e->vars, (count + 1) * sizeof *e->vars);
  e->count = count;
  if (bytes > 0) memcpy(e->block, c.at, bytes);
  struct cursor copy = {e->block, e->block + bytes};
  for (uint32_t i = 0; i < count; i++) e->vars[i] = take_string(&copy);
}

static bool same_name(const char *a, const char *b) {
  for (; *a == *b; a++, b++)
    if (*a == '=' || *a == 0) return true;
  return false;
}

/* The pointers go into the frame, which stays where it is until the next one. */
static struct launch parse_launch(struct cursor c) {
  struct launch l = {.id = take32(&c), .environment = take32(&c), .nargs = take32(&c), .nvars = take32(&c)};
  l.ncpus = take32(&c);
  l.stdin_bytes = take32(&c); /* UINT32_MAX: no input */
  l.out[0] = take32(&c);
  l.out[1] = take32(&c);
  size_t bytes = (size_t)(c.end - c.at);
  if (l.environment >= ENVIRONMENTS || l.nargs == 0 || l.nargs > bytes || l.nvars > bytes) die("bad request", 0);
  const struct environment *base = &environments[l.environment];
  size_t wanted = (size_t)l.nargs + l.nvars + base->count + 2;
  if (wanted > pointers_capacity) {
    pointers = resize(pointers, wanted * sizeof *pointers);
    pointers_capacity = wanted;
  }
  l.argv = pointers;
  for (uint32_t i = 0; i < l.nargs; i++) l.argv[i] = take_string(&c);
  l.argv[l.nargs] = NULL;
  l.envp = pointers + l.nargs + 1;
  for (uint32_t i = 0; i < l.nvars; i++) l.envp[i] = take_string(&c);
  char **next = l.envp + l.nvars;
  for (uint32_t i = 0; i < base->count; i++) {
    bool replaced = false;
    for (uint32_t k = 0; k < l.nvars && !replaced; k++) replaced = same_name(base->vars[i], l.envp[k]);
    if (!replaced) *next++ = base->vars[i];
  }
  *next = NULL;
  l.cwd = take_string(&c);
  for (int i = 0; i < 2; i++) l.path[i] = l.out[i] == OUT_FILE ? take_string(&c) : NULL;
  l.cpus = take_bytes(&c, (size_t)l.ncpus * 4);
  if (l.stdin_bytes != UINT32_MAX) l.stdin_data = take_bytes(&c, l.stdin_bytes);
  return l;
}

/* ---- the child ---- */

static _Noreturn void fail(struct failure *failure, enum step step) {
  failure->error = errno;
  failure->step = (int32_t)step;
  _exit(127);
}

/* Makes a directory and those above it. The text is changed on the way and is as before at the end. */
static int make_directories(char *path) {
  struct stat found;
  if (mkdir(path, 0777) == 0) return 0;
  if (errno == EEXIST && stat(path, &found) == 0) {
    errno = EEXIST;
    return S_ISDIR(found.st_mode) ? 0 : -1;
  }
  if (errno != ENOENT) return -1;
  char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) return -1;
  *slash = 0;
  int result = make_directories(path);
  *slash = '/';
  return result == 0 && (mkdir(path, 0777) == 0 || errno == EEXIST) ? 0 : -1;
}

/* Nobody reading from a named pipe must not stop the task for ever, hence not blocking; for files it changes nothing. */
static int open_output(char *path, struct failure *failure, enum step make, enum step open_step) {
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC;
  int fd = open(path, flags, 0666);
  char *slash = strrchr(path, '/');
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && slash != NULL && slash != path) {
    *slash = 0;
    if (make_directories(path) < 0) fail(failure, make);
    *slash = '/';
    fd = open(path, flags, 0666);
  }
  if (fd < 0) fail(failure, open_step);
  return fd;
}

/* Memory as a file: nothing has to be fed while the task runs, and nothing is left when it does not read. */
static int stdin_file(const struct launch *l, struct failure *failure) {
  int fd = memfd_create("stdin", MFD_CLOEXEC);
  if (fd < 0) fail(failure, STDIN);
  for (size_t done = 0; done < l->stdin_bytes;) {
    ssize_t n = write(fd, l->stdin_data + done, l->stdin_bytes - done);
    if (n < 0 && errno != EINTR) fail(failure, STDIN);
    if (n > 0) done += (size_t)n;
  }
  if (lseek(fd, 0, SEEK_SET) < 0) fail(failure, STDIN);
  return fd;
}

static void set_affinity(const struct launch *l, struct failure *failure) {
  static unsigned long bits[MAX_CPUS / CHAR_BIT / sizeof(unsigned long)];
  for (uint32_t i = 0; i < l->ncpus; i++) {
    uint32_t cpu;
    memcpy(&cpu, l->cpus + 4 * (size_t)i, sizeof cpu);
    if (cpu < MAX_CPUS) CPU_SET_S(cpu, sizeof bits, (cpu_set_t *)bits);
  }
  if (sched_setaffinity(0, sizeof bits, (cpu_set_t *)bits) < 0) fail(failure, AFFINITY);
}

static _Noreturn void run_child(const struct launch *l, const int capture[2], struct failure *failure) {
  static const enum step make[] = {MAKE_STDOUT_DIR, MAKE_STDERR_DIR}, open_step[] = {OPEN_STDOUT, OPEN_STDERR};
  int fds[3] = {null_fd, null_fd, null_fd};
  if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail(failure, START);
  if (getppid() != self) _exit(127);
  if (l->stdin_data != NULL) fds[0] = stdin_file(l, failure);
  if (chdir(l->cwd) < 0) {
    if (errno != ENOENT && errno != ENOTDIR) fail(failure, ENTER_CWD);
    if (make_directories(l->cwd) < 0) fail(failure, MAKE_CWD);
    if (chdir(l->cwd) < 0) fail(failure, ENTER_CWD);
  }
  for (int i = 0; i < 2; i++) {
    if (l->out[i] == OUT_FILE) fds[i + 1] = open_output(l->path[i], failure, make[i], open_step[i]);
    else if (l->out[i] == OUT_CAPTURE) fds[i + 1] = capture[i];
    else if (l->out[i] == OUT_SAME) fds[i + 1] = fds[i];
  }
  if (l->ncpus > 0) set_affinity(l, failure);
  for (int i = 0; i < 3; i++)
    if (dup2(fds[i], i) < 0) fail(failure, START);
  /* What was sent to the task so far takes effect here: until now everything was blocked. */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  environ = l->envp;
  execvp(l->argv[0], l->argv);
  fail(failure, EXEC);
}

/* ---- tasks ---- */

static void answer_failure(uint32_t id, enum step step, int error) {
  begin_answer('F', 12, 0);
  put32(id);
  put32((uint32_t)step);
  put32((uint32_t)error);
}

static int open_capture(void) {
  static uint32_t number;
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

static void release(struct task *t) {
  for (int i = 0; i < 2; i++)
    if (t->capture[i] >= 0) close(t->capture[i]);
  t->state = FREE;
  while (slots > 0 && tasks[slots - 1].state == FREE) slots--;
}

static void launch(const struct launch *l) {
  uint32_t slot = 0;
  while (slot < slots && tasks[slot].state != FREE) slot++;
  if (slot == MAX_TASKS) {
    answer_failure(l->id, START, EAGAIN);
    return;
  }
  struct task *t = &tasks[slot];
  *t = (struct task){.state = RUNNING, .id = l->id, .capture = {-1, -1}};
  if (slot == slots) slots++;
  for (int i = 0; i < 2; i++) {
    if (l->out[i] != OUT_CAPTURE || (t->capture[i] = open_capture()) >= 0) continue;
    answer_failure(l->id, CAPTURE, errno);
    release(t);
    return;
  }
  failures[slot] = (struct failure){NONE, 0};
  t->pid = fork();
  if (t->pid == 0) run_child(l, t->capture, &failures[slot]);
  if (t->pid < 0) {
    answer_failure(l->id, START, errno);
    release(t);
    return;
  }
  begin_answer('S', 16, now_ms() + STARTED_DELAY_MS);
  put32(l->id);
  put32((uint32_t)t->pid);
  put32((uint32_t)t->capture[0]);
  put32((uint32_t)t->capture[1]);
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

/* The answer: id, status, user and system microseconds, peak kB; per channel the length (UINT32_MAX: read the file) and the bytes. */
static void answer_end(struct task *t) {
  uint32_t size[2] = {0, 0};
  size_t bytes = 40;
  bool kept = false;
  for (int i = 0; i < 2; i++) {
    struct stat found;
    if (t->capture[i] < 0) continue;
    size[i] = fstat(t->capture[i], &found) == 0 && found.st_size <= INLINE_BYTES ? (uint32_t)found.st_size : UINT32_MAX;
    if (size[i] == UINT32_MAX) kept = true;
    else bytes += size[i];
  }
  begin_answer('X', bytes, 0);
  put32(t->id);
  put32((uint32_t)t->status);
  put64((uint64_t)t->usage.ru_utime.tv_sec * 1000000 + (uint64_t)t->usage.ru_utime.tv_usec);
  put64((uint64_t)t->usage.ru_stime.tv_sec * 1000000 + (uint64_t)t->usage.ru_stime.tv_usec);
  put64((uint64_t)t->usage.ru_maxrss);
  for (int i = 0; i < 2; i++) put32(size[i]);
  for (int i = 0; i < 2; i++) {
    if (size[i] == 0 || size[i] == UINT32_MAX) continue;
    ssize_t n = pread(t->capture[i], out.data + out.end, size[i], 0);
    size_t got = n < 0 ? 0 : (size_t)n;
    /* A process that has left the group may have cut the file in between: the length stands already. */
    memset(out.data + out.end + got, 0, size[i] - got);
    out.end += size[i];
  }
  if (kept) t->state = KEPT;
  else release(t);
}

static void main_process_ended(uint32_t slot) {
  struct task *t = &tasks[slot];
  /* Before its number can belong to somebody else. */
  kill(-t->pid, SIGKILL);
  if (wait4(t->pid, &t->status, 0, &t->usage) < 0) die("wait4", errno);
  if (failures[slot].step != NONE) {
    answer_failure(t->id, (enum step)failures[slot].step, failures[slot].error);
    release(t);
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
    case 'L': {
      const struct launch l = parse_launch(c);
      launch(&l);
      return;
    }
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

static void signal_all(int signal) {
  for (uint32_t i = 0; i < slots; i++) signal_task(&tasks[i], signal);
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
    signal_all(SIGINT);
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
    signal_all(SIGKILL);
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
  failures = mmap(NULL, MAX_TASKS * sizeof *failures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (failures == MAP_FAILED) die("no memory", errno);
  /* Everything is blocked for good: what is meant for the worker must not end its tasks, and a new child misses nothing. */
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
}

int main(int argc, char **argv) {
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
