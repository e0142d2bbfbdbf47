/*
 * The denominator of the throughput benchmarks: starts a program N times with posix_spawn, SLOTS at a time, and prints the milliseconds
 * that one took. No task runner can be quicker than this on the same cores.
 *
 * usage: limit N SLOTS PROGRAM
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: limit N SLOTS PROGRAM\n");
    return 2;
  }
  const int total = atoi(argv[1]), slots = atoi(argv[2]);
  char *child_argv[] = {argv[3], NULL};
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int started = 0, running = 0; started < total || running > 0;) {
    if (started < total && running < slots) {
      pid_t pid;
      if (posix_spawn(&pid, argv[3], NULL, NULL, child_argv, environ) != 0) {
        perror(argv[3]);
        return 1;
      }
      started += 1;
      running += 1;
      continue;
    }
    int status;
    if (wait(&status) < 0 || status != 0) {
      fprintf(stderr, "%s failed\n", argv[3]);
      return 1;
    }
    running -= 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.6f\n", ((end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6) / total);
  return 0;
}
