/*
 * hqfront: the command `hq` where there is a C compiler. Node needs most of a tenth of a second to start, so a short command is handed to the
 * running server of this host, which answers in milliseconds; everything else is done by hq.js beside this program, with the same arguments.
 *
 * The server names its socket in a file beside its access file. Frames in both directions are described in src/protocol/frontFrames.ts; the
 * server directory is found as in src/common/serverDir.ts. Whatever is not as expected before the first byte of output: hq.js does it.
 *
 * HQ_FRONT=off: always hq.js.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef HQ_VERSION
#error "HQ_VERSION: the version of the package"
#endif

#define PROTOCOL 2
#define FILE_HEAD "hq-front 1"
#define FILE_MAX 1024                 /* of the file that names the socket */
#define HELLO_MAX (8u * 1024 * 1024)  /* the server takes no larger one */
#define FRAME_MAX (1024u * 1024)      /* the server's are a tenth of it */
#define INPUT_BYTES (64u * 1024)
#define FILE_START_BYTES (32u * 1024)
#define NAME_DIGITS_MIN 3             /* of an identity: 001 */
#define NAME_DIGITS_MAX 9

struct buffer { char *data; size_t start, end, capacity; };

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNAL_COUNT (sizeof SIGNALS / sizeof *SIGNALS)

static char **arguments;
static int server = -1;
static struct sigaction before[SIGNAL_COUNT + 1];
static sigset_t mask_before;
static bool signals_taken;
static volatile sig_atomic_t caught[SIGNAL_COUNT]; /* 1: not told to the server yet, 2: told */
static char effect;                   /* of the command that has begun: r, c or w; see frontFrames.ts */
static bool printed[3];               /* by descriptor */

/* ---- hq.js ---- */

static void give_signals_back(void) {
  if (!signals_taken) return;
  for (size_t i = 0; i < SIGNAL_COUNT; i++) sigaction(SIGNALS[i], &before[i], NULL);
  sigaction(SIGPIPE, &before[SIGNAL_COUNT], NULL);
  sigprocmask(SIG_SETMASK, &mask_before, NULL);
  for (size_t i = 0; i < SIGNAL_COUNT; i++)
    if (caught[i]) raise(SIGNALS[i]);
}

static _Noreturn void run_node(void) {
  static char script[PATH_MAX + 8];
  if (server >= 0) close(server);
  ssize_t n = readlink("/proc/self/exe", script, PATH_MAX);
  char *slash = n < 0 ? NULL : memrchr(script, '/', (size_t)n);
  size_t count = 0;
  while (arguments[count] != NULL) count++;
  char **argv = malloc((count + 2) * sizeof *argv);
  if (slash == NULL || argv == NULL) {
    dprintf(STDERR_FILENO, "hq: cannot find hq.js: %s\n", strerror(errno));
    exit(127);
  }
  strcpy(slash, "/hq.js");
  argv[0] = "node";
  argv[1] = script;
  memcpy(argv + 2, arguments + 1, count * sizeof *argv);
  give_signals_back();
  execvp("node", argv);
  dprintf(STDERR_FILENO, "hq: cannot start node: %s\n", strerror(errno));
  exit(127);
}

/* ---- buffers ---- */

static void reserve(struct buffer *b, size_t bytes) {
  if (b->capacity - b->end >= bytes) return;
  if (b->start > 0) memmove(b->data, b->data + b->start, b->end - b->start);
  b->end -= b->start;
  b->start = 0;
  if (b->capacity - b->end >= bytes) return;
  size_t capacity = b->end + bytes + b->capacity;
  char *data = realloc(b->data, capacity);
  if (data == NULL) run_node();
  b->data = data;
  b->capacity = capacity;
}

static void put(struct buffer *b, const void *data, size_t bytes) {
  reserve(b, bytes);
  memcpy(b->data + b->end, data, bytes);
  b->end += bytes;
}

static void put32(struct buffer *b, uint32_t value) { put(b, &value, sizeof value); }
static void put_string(struct buffer *b, const char *text) { put(b, text, strlen(text) + 1); }

/* ---- where the server is ---- */

/* In `out`, PATH_MAX bytes. @returns false when the path is too long */
static bool join(char *out, const char *directory, const char *name) {
  return (size_t)snprintf(out, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

static bool is_kind(const char *directory, const char *name, mode_t kind) {
  char path[PATH_MAX];
  struct stat found;
  return join(path, directory, name) && lstat(path, &found) == 0 && (found.st_mode & S_IFMT) == kind;
}

/* @returns the number that the name of an identity stands for, or 0 */
static unsigned long identity_number(const char *name) {
  size_t length = strlen(name);
  if (length < NAME_DIGITS_MIN || length > NAME_DIGITS_MAX || strspn(name, "0123456789") != length) return 0;
  return length > NAME_DIGITS_MIN && name[0] == '0' ? 0 : strtoul(name, NULL, 10);
}

/* What the user named: `--server-dir` before the command line of a task, HQ_SERVER_DIR, or the default. NULL: hq.js will know. */
static const char *named_directory(void) {
  static char usual[PATH_MAX];
  static const char option[] = "--server-dir";
  const size_t length = sizeof option - 1;
  const char *named = NULL, *home = getenv("HOME");
  for (char **at = arguments + 1; *at != NULL && strcmp(*at, "--") != 0; at++) {
    if (strncmp(*at, option, length) != 0) continue;
    if ((*at)[length] == '=') named = *at + length + 1;
    else if ((*at)[length] == 0 && at[1] != NULL) named = *++at;
  }
  if (named == NULL || *named == 0) named = getenv("HQ_SERVER_DIR");
  if (named != NULL && *named != 0) return named;
  return home != NULL && *home != 0 && join(usual, home, ".hq-server") ? usual : NULL;
}

/* The identity in use of a server directory; see `resolveServerDir`. @returns false when hq.js has to look */
static bool find_identity(char *out, const char *named) {
  char path[PATH_MAX], target[NAME_MAX + 1];
  if (!join(path, named, "hq-current")) return false;
  ssize_t n = readlink(path, target, sizeof target - 1);
  target[n < 0 ? 0 : n] = 0;
  if (identity_number(target) > 0 && is_kind(named, target, S_IFDIR)) return join(out, named, target);
  if (n >= 0) return false; /* a link of a form that no server makes */
  if (is_kind(named, "identity.json", S_IFREG) || is_kind(named, "access.json", S_IFREG) || is_kind(named, "worker-access.json", S_IFREG))
    return (size_t)snprintf(out, PATH_MAX, "%s", named) < PATH_MAX;
  unsigned long highest = 0;
  DIR *directory = opendir(named);
  if (directory == NULL) return false;
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    unsigned long number = identity_number(entry->d_name);
    if (number > highest && is_kind(named, entry->d_name, S_IFDIR) && join(out, named, entry->d_name)) highest = number;
  }
  closedir(directory);
  return highest > 0;
}

/* Cuts the first line off. @returns NULL when there is none */
static char *take_line(char **text) {
  char *line = *text, *end = strchr(line, '\n');
  if (end == NULL) return NULL;
  *end = 0;
  *text = end + 1;
  return line;
}

/* The socket that the server of this host and version has named. Only what is ours alone is believed. */
static bool find_socket(char *out, const char *identity) {
  char path[PATH_MAX], text[FILE_MAX], host[HOST_NAME_MAX + 1] = "", *rest = text;
  struct stat found;
  if (!join(path, identity, "front")) return false;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool ours = fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == geteuid() && (found.st_mode & 022) == 0;
  ssize_t n = ours ? read(fd, text, sizeof text - 1) : -1;
  close(fd);
  if (n <= 0) return false;
  text[n] = 0;
  const char *head = take_line(&rest), *version = head ? take_line(&rest) : NULL, *hostname = version ? take_line(&rest) : NULL;
  const char *named = hostname ? take_line(&rest) : NULL;
  if (named == NULL || named[0] != '/' || strlen(named) >= sizeof((struct sockaddr_un *)0)->sun_path) return false;
  gethostname(host, sizeof host - 1);
  if (strcmp(head, FILE_HEAD) != 0 || strcmp(version, HQ_VERSION) != 0 || strcmp(hostname, host) != 0) return false;
  strcpy(out, named);
  return true;
}

/* A socket that nobody else can have made. */
static bool is_ours(const char *path) {
  char folder[sizeof((struct sockaddr_un *)0)->sun_path];
  struct stat found;
  strcpy(folder, path);
  *strrchr(folder, '/') = 0;
  if (lstat(path, &found) < 0 || !S_ISSOCK(found.st_mode) || found.st_uid != geteuid()) return false;
  return lstat(folder, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid() && (found.st_mode & 077) == 0;
}

static bool connect_server(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct ucred peer;
  socklen_t size = sizeof peer;
  strcpy(address.sun_path, path);
  server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) < 0) return false;
  if (getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid()) return false;
  return fcntl(server, F_SETFL, 0) == 0;
}

/* ---- what is sent ---- */

/* An end of the connection shows when it is read from. */
static void send_all(const char *data, size_t bytes) {
  while (bytes > 0) {
    ssize_t n = send(server, data, bytes, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    data += n;
    bytes -= (size_t)n;
  }
}

static void send_frame(char kind, const void *data, size_t bytes) {
  static struct buffer b;
  b.start = b.end = 0;
  put32(&b, (uint32_t)bytes + 1);
  put(&b, &kind, 1);
  put(&b, data, bytes);
  send_all(b.data, b.end);
}

static uint32_t columns(int fd) {
  struct winsize size;
  return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void send_hello(void) {
  struct buffer b = {0};
  char directory[PATH_MAX];
  uint32_t terminals = 0, count = 0;
  if (getcwd(directory, sizeof directory) == NULL) run_node();
  for (int fd = 0; fd < 3; fd++) terminals |= isatty(fd) ? 1u << fd : 0;
  while (arguments[1 + count] != NULL) count++;
  put32(&b, PROTOCOL);
  put32(&b, terminals);
  put32(&b, columns(STDOUT_FILENO));
  put32(&b, columns(STDERR_FILENO));
  put32(&b, count);
  put_string(&b, HQ_VERSION);
  put_string(&b, directory);
  for (char **at = arguments + 1; *at != NULL; at++) put_string(&b, *at);
  for (char **at = environ; *at != NULL; at++) put_string(&b, *at);
  if (b.end >= HELLO_MAX) run_node();
  send_frame('H', b.data, b.end);
  free(b.data);
}

/* @returns false at the end of the input */
static bool send_input(void) {
  static char data[INPUT_BYTES];
  ssize_t n = read(STDIN_FILENO, data, sizeof data);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n < 0) run_node(); /* nothing has happened yet, and hq.js says what is wrong */
  send_frame('I', data, (size_t)n);
  return n > 0;
}

/* What cannot be read is for hq.js to complain about: nothing has happened yet. */
static void send_file_start(const char *text, size_t bytes) {
  static char data[FILE_START_BYTES];
  char path[PATH_MAX];
  size_t got = 0;
  if (bytes >= sizeof path) run_node();
  memcpy(path, text, bytes);
  path[bytes] = 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) run_node();
  while (got < sizeof data) {
    ssize_t n = read(file, data + got, sizeof data - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) run_node();
    if (n == 0) break;
    got += (size_t)n;
  }
  close(file);
  send_frame('F', data, got);
}

static void send_signals(void) {
  static const char *const names[SIGNAL_COUNT] = {"SIGINT", "SIGTERM", "SIGHUP"};
  for (size_t i = 0; i < SIGNAL_COUNT; i++) {
    if (caught[i] != 1) continue;
    caught[i] = 2;
    send_frame('S', names[i], strlen(names[i]));
  }
}

/* ---- what comes back ---- */

static void print(int fd, const char *data, size_t bytes) {
  while (bytes > 0) {
    ssize_t n = write(fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
      continue;
    }
    if (n < 0 && (errno == EPIPE || errno == EIO)) exit(0); /* nobody reads any more, as in `hq … | head` */
    if (n < 0) {
      dprintf(STDERR_FILENO, "ERROR the output cannot be written: %s\n", strerror(errno));
      exit(1);
    }
    printed[fd] = true;
    data += n;
    bytes -= (size_t)n;
  }
}

/* The connection has ended without an exit code. */
static _Noreturn void lost(void) {
  bool silent = !printed[STDOUT_FILENO] && !printed[STDERR_FILENO];
  if (silent && (effect == 0 || effect == 'r')) run_node();
  if ((silent || effect == 'w') && !printed[STDOUT_FILENO] && setenv("HQ_FRONT_CUT", "1", 1) == 0) run_node();
  dprintf(STDERR_FILENO, "ERROR the server went away in mid-command: the connection was cut. Its jobs are kept; start it again with: hq server start\n");
  exit(1);
}

/* @returns true when the server asks for standard input */
static bool handle(const char *body, size_t bytes) {
  switch (bytes == 0 ? 0 : body[0]) {
    case 'N':
      run_node();
    case 'B':
      effect = bytes > 1 ? body[1] : 'c';
      return false;
    case 'O':
      print(STDOUT_FILENO, body + 1, bytes - 1);
      return false;
    case 'E':
      print(STDERR_FILENO, body + 1, bytes - 1);
      return false;
    case 'G':
      return true;
    case 'R':
      send_file_start(body + 1, bytes - 1);
      return false;
    case 'X':
      exit(bytes > 1 ? (unsigned char)body[1] : 1);
    default:
      lost();
  }
}

/* One read. @returns true when the server asked for standard input */
static bool receive(void) {
  static struct buffer in;
  bool wanted = false;
  reserve(&in, INPUT_BYTES);
  ssize_t n = recv(server, in.data + in.end, in.capacity - in.end, 0);
  if (n < 0 && errno == EINTR) return false;
  if (n <= 0) lost();
  in.end += (size_t)n;
  while (in.end - in.start >= 4) {
    uint32_t bytes;
    memcpy(&bytes, in.data + in.start, sizeof bytes);
    if (bytes > FRAME_MAX) lost();
    if (in.end - in.start - 4 < bytes) break;
    wanted |= handle(in.data + in.start + 4, bytes);
    in.start += 4 + (size_t)bytes;
  }
  return wanted;
}

/* ---- the loop ---- */

static void on_signal(int signal) {
  for (size_t i = 0; i < SIGNAL_COUNT; i++)
    if (SIGNALS[i] == signal) caught[i] = 1;
}

/* The first of a kind is told to the server, the second one ends this process, as it would hq.js. */
static void take_signals(void) {
  sigset_t held;
  sigemptyset(&held);
  for (size_t i = 0; i < SIGNAL_COUNT; i++) sigaddset(&held, SIGNALS[i]);
  sigprocmask(SIG_BLOCK, &held, &mask_before);
  for (size_t i = 0; i < SIGNAL_COUNT; i++)
    sigaction(SIGNALS[i], &(struct sigaction){.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, &before[i]);
  sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &before[SIGNAL_COUNT]);
  signals_taken = true;
}

int main(int argc, char **argv) {
  char identity[PATH_MAX], path[PATH_MAX];
  arguments = argv;
  if (argc < 1) return 127;
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0) run_node();
  const char *setting = getenv("HQ_FRONT");
  const char *named = setting != NULL && strcmp(setting, "off") == 0 ? NULL : named_directory();
  /* Of a way back up the kernel and Node think differently where there are symbolic links. */
  if (named == NULL || strstr(named, "..") != NULL) run_node();
  if (!find_identity(identity, named) || !find_socket(path, identity) || !is_ours(path) || !connect_server(path)) run_node();
  take_signals();
  send_hello();
  for (bool wanted = false;;) {
    struct pollfd fds[] = {{server, POLLIN, 0}, {wanted ? STDIN_FILENO : -1, POLLIN, 0}};
    int ready = ppoll(fds, 2, NULL, &mask_before);
    send_signals();
    if (ready <= 0) continue;
    if (fds[0].revents != 0 && receive()) wanted = true;
    if (fds[1].revents != 0) wanted = send_input();
  }
}
