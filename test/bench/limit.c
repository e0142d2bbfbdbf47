/*
 * The denominator of every benchmark that starts processes: starts a program N times with posix_spawn, SLOTS at a time, its output thrown
 * away, and prints the milliseconds that one took. No task runner can be quicker than this on the same cores; with one slot it is also the
 * stopwatch for command lines, because it is small and so its own forks are short.
 *
 * usage: limit N SLOTS PROGRAM [ARG...]
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: limit N SLOTS PROGRAM [ARG...]\n");
    return 2;
  }
  const int total = atoi(argv[1]), slots = atoi(argv[2]);
  char **child_argv = argv + 3;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int started = 0, running = 0; started < total || running > 0;) {
    if (started < total && running < slots) {
      pid_t pid;
      if (posix_spawnp(&pid, child_argv[0], &actions, NULL, child_argv, environ) != 0) {
        perror(child_argv[0]);
        return 1;
      }
      started += 1;
      running += 1;
      continue;
    }
    int status;
    if (wait(&status) < 0 || status != 0) {
      fprintf(stderr, "%s failed\n", child_argv[0]);
      return 1;
    }
    running -= 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.6f ms\n", ((end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6) / total);
  return 0;
}
